import { expect, test } from 'vitest'
import { choosePlatform, hostPlatform, nameOf, type Platform } from './platform.ts'

function platform(name: string): Platform {
  const [os = '', architecture = '', variant] = name.split('/')
  return { os, architecture, ...(variant !== undefined && { variant }) }
}
const choose = (host: string, ...offered: readonly string[]): string | undefined => {
  const chosen = choosePlatform(
    offered.map((name) => ({ platform: platform(name) })),
    platform(host),
  )
  return chosen && nameOf(chosen.platform)
}

test('its own first, whatever the order', () => {
  expect(choose('linux/amd64', 'linux/386', 'windows/amd64', 'linux/amd64')).toBe('linux/amd64')
  expect(choose('linux/arm64', 'linux/arm/v7', 'linux/arm64/v8', 'linux/arm/v5')).toBe('linux/arm64/v8')
  expect(choose('linux/arm/v6', 'linux/arm/v5', 'linux/arm/v7', 'linux/arm/v6')).toBe('linux/arm/v6')
})

test('then what it runs too', () => {
  expect(choose('linux/amd64', 'linux/arm64', 'linux/386')).toBe('linux/386')
  expect(choose('linux/arm64', 'linux/arm/v5', 'linux/arm/v7')).toBe('linux/arm/v7')
  expect(choose('linux/arm/v7', 'linux/arm')).toBe('linux/arm')
})

test('never what it does not run', () => {
  expect(choose('linux/amd64', 'linux/amd64/v3', 'darwin/amd64', 'linux/arm64')).toBeUndefined()
  expect(choose('linux/arm/v6', 'linux/arm/v7', 'linux/arm')).toBeUndefined()
  expect(choose('linux/386', 'linux/amd64')).toBeUndefined()
  expect(choosePlatform([{}], platform('linux/amd64'))).toBeUndefined()
})

test('other names for the same', () => {
  expect(choose('linux/amd64', 'Linux/x86_64')).toBe('Linux/x86_64')
  expect(choose('linux/arm64', 'linux/aarch64')).toBe('linux/aarch64')
})

test('this system is in words of Go', () => {
  expect(nameOf(hostPlatform())).toMatch(
    /^(linux|darwin|windows|freebsd)\/(amd64|arm64|arm|386|s390x|ppc64le|riscv64|loong64)/,
  )
})
