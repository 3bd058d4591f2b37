import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { listProcesses } from '@runner-core/runner/testing'
import Docker from 'dockerode'
import { expect, onTestFinished, test } from 'vitest'
import { ensureImage, leftContainers } from './docker-side.ts'

const main = fileURLToPath(new URL('./main.ts', import.meta.url))
const hasDocker = existsSync('/var/run/docker.sock')

/** Runs the demo with a directory of its own for temporary files, by which everything of it can be found. */
function start(...args: readonly string[]): {
  readonly child: ChildProcess
  readonly folder: string
  readonly output: () => string
} {
  const folder = mkdtempSync(join(tmpdir(), 'demo-test-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const child = spawn(process.execPath, ['--conditions=@runner-core/source', main, ...args], {
    env: { ...process.env, TMPDIR: folder },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()))
  return { child, folder, output: () => output }
}

const ofDemo = (folder: string) =>
  listProcesses().filter(({ environment, commandLine }) => `${environment} ${commandLine}`.includes(folder))

test('every kind of job ends as it must, the bounds are kept, and nothing is left', async () => {
  const json = join(tmpdir(), `demo-test-${process.pid}.json`)
  const { child, folder, output } = start('--jobs', '20', '--slots', '3', '--max-instances', '2', '--json', json)
  onTestFinished(() => rmSync(json, { force: true }))
  const [code] = await once(child, 'exit')
  expect(code, output()).toBe(0)
  const result: unknown = JSON.parse(readFileSync(json, 'utf8'))
  expect(result).toEqual({
    jobs: { total: 20, asExpected: 20, success: 13, failed: 5, canceled: 2 },
    waitMs: { p50: expect.any(Number), p95: expect.any(Number), p99: expect.any(Number) },
    instances: { created: expect.any(Number), peak: expect.any(Number), leaked: 0 },
    seconds: expect.any(Number),
  })
  expect((result as { instances: { peak: number } }).instances.peak).toBeLessThanOrEqual(2)
  expect(output()).toContain('20 of 20 as expected')
  expect(ofDemo(folder)).toEqual([])
})

test('an interrupt takes everything down', async () => {
  const { child, folder, output } = start('--jobs', '60')
  await expect.poll(output, { timeout: 20_000 }).toContain('running')
  expect(ofDemo(folder).length).toBeGreaterThan(1)
  child.kill('SIGINT')
  const [code] = await once(child, 'exit')
  expect(code, output()).toBe(130)
  expect(ofDemo(folder)).toEqual([])
})

test('wrong options are refused, and nothing is started', async () => {
  const { child, output } = start('--jobs', 'many', '--plugin', 'cloud')
  expect((await once(child, 'exit'))[0]).toBe(2)
  expect(output()).toMatch(/--plugin: expected local or docker, got cloud\n.*--jobs: expected a whole number/)
})

test.skipIf(!hasDocker)('a container that is left is found', async () => {
  await ensureImage()
  const fleet = `demo-test-${process.pid}`
  expect(await leftContainers(fleet)).toEqual([])
  const container = await new Docker().createContainer({
    Image: 'runner-core-sshd',
    Labels: { 'runner-core.fleet': fleet },
  })
  onTestFinished(() => container.remove({ force: true }))
  expect(await leftContainers(fleet)).toEqual([expect.stringContaining(container.id.slice(0, 12))])
})
