import { globSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { expect, test } from 'vitest'

const packages = join(import.meta.dirname, '..', 'packages')

/** From the lowest up: a room imports rooms that stand before it, and files of no room. */
const rooms: Readonly<Record<string, readonly string[]>> = {
  fleeting: 'contract ssh state plugins provisioner multi testing cli'.split(' '),
  job: 'variables script archive trace detach login sources files artifacts caches plan run'.split(' '),
  runner:
    'testing config logging identity gitlab caches state ends explain jobs metrics fleet status supervisor custom-executor cli'.split(
      ' ',
    ),
  'runner-docker-executor': 'settings engine images volumes containers services cleanup'.split(' '),
  'runner-executor': 'slots connect places'.split(' '),
  'runner-instance-executor': 'slots commands cleanup login'.split(' '),
  taskscaler: 'slots demand plan explain loop'.split(' '),
}

test.each(Object.entries(rooms))('a room of %s imports only rooms below it', (name, order) => {
  const src = join(packages, name, 'src')
  const upwards = globSync('*/**/*.ts', { cwd: src })
    .filter((file) => !file.endsWith('.test.ts'))
    .flatMap((file) =>
      [...readFileSync(join(src, file), 'utf8').matchAll(/(?:from|import\() ?'(\.[^']+)'/g)].map(
        ([, specifier]) => [file, relative(src, join(src, dirname(file), specifier!))] as const,
      ),
    )
    .filter(([, target]) => target.includes('/'))
    .filter(([file, target]) => level(order, file) < level(order, target))
    .map(([file, target]) => `${file} imports ${target}`)
  expect(upwards).toEqual([])
})

test.each(Object.entries(rooms))('each folder of %s has its place among the rooms', (name, order) => {
  const files = globSync('*/**/*.ts', { cwd: join(packages, name, 'src') })
  expect(new Set(files.map((file) => file.split('/')[0]))).toEqual(new Set(order))
})

function level(order: readonly string[], file: string): number {
  return order.indexOf(file.split('/')[0]!)
}
