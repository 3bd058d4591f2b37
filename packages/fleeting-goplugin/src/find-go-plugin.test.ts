import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { findGoPlugin, pluginDirectory } from './find-go-plugin.ts'

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'find-go-plugin-'))
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

function program(path: string, mode = 0o755): string {
  const file = join(directory, path)
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, '#!/bin/sh\n')
  chmodSync(file, mode)
  return file
}

const find = (reference: string): string | undefined =>
  findGoPlugin(reference, {
    baseDirectory: directory,
    environment: { PATH: `bin:${directory}/bin:${directory}/more`, FLEETING_PLUGIN_PATH: join(directory, 'plugins') },
  })

test('on PATH, by its name and by its short one; the first directory counts, a relative one never', () => {
  program('more/fleeting-plugin-moon')
  expect(find('fleeting-plugin-moon')).toBe(join(directory, 'more/fleeting-plugin-moon'))
  program('bin/fleeting-plugin-moon')
  expect(find('fleeting-plugin-moon')).toBe(join(directory, 'bin/fleeting-plugin-moon'))
  expect(find('moon')).toBe(join(directory, 'bin/fleeting-plugin-moon'))
})

test('what happens to be called so is not run, nor what cannot be', () => {
  program('bin/moon')
  program('bin/fleeting-plugin-sun', 0o644)
  mkdirSync(join(directory, 'bin/fleeting-plugin-folder'))
  for (const name of ['moon', 'sun', 'folder', '', '.', '..', '/', 'a/../../bin/moon'])
    expect(find(name)).toBeUndefined()
})

test('by path', () => {
  const file = program('opt/my-plugin')
  expect(find(file)).toBe(file)
  expect(find('./opt/my-plugin')).toBe(file)
  expect(find('./opt/another')).toBeUndefined()
})

test('installed: the best version that is there', () => {
  const aws = 'plugins/registry.gitlab.com/gitlab-org/fleeting/plugins/aws'
  const old = program(`${aws}/1.4.0/fleeting-plugin-aws`)
  const newer = program(`${aws}/1.5.1/plugin`)
  program(`${aws}/1.5.1/README`, 0o644)
  expect(find('aws')).toBe(newer)
  expect(find('aws:latest')).toBe(newer)
  expect(find('aws:1.4')).toBe(old)
  expect(find('aws:2')).toBeUndefined()
  expect(find('gitlab-org/fleeting/plugins/aws:1')).toBe(newer)

  const other = program('plugins/registry.example.com/!group/moon/0.1.0/anything')
  expect(find('registry.example.com/Group/moon:0.1.0')).toBe(other)
  program('plugins/registry.example.com/!group/moon/0.1.0/something')
  expect(find('registry.example.com/Group/moon:0.1.0')).toBeUndefined()
})

test('installed by digest: exactly that one, and not by its version', () => {
  const digest = (digit: string): string => `sha256:${digit.repeat(64)}`
  const pinned = program(`plugins/.digests/registry.example.com/acme/moon/${digest('a').replace(':', '-')}/plugin`)
  program('plugins/registry.example.com/acme/moon/1.0.0/plugin')
  expect(find(`registry.example.com/acme/moon@${digest('a')}`)).toBe(pinned)
  expect(find(`registry.example.com/acme/moon@${digest('b')}`)).toBeUndefined()
  expect(find(`registry.example.com/acme/sun@${digest('a')}`)).toBeUndefined()
})

test('without FLEETING_PLUGIN_PATH plugins are in a directory of the user', () => {
  expect(pluginDirectory({})).toMatch(/fleeting[\\/]plugins$/)
})
