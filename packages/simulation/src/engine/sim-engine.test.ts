import { ManualClock } from '@runner-core/fleeting/testing'
import { Engine } from '@runner-core/runner-docker-executor'
import { expect, test } from 'vitest'
import { Link } from '../machine/channel.ts'
import { play } from '../play.ts'
import { scenarioOf } from '../scenario.ts'
import { WorldProcess } from '../world-process.ts'
import { dialledStream } from './dialled-stream.ts'
import { EngineServer } from './engine-server.ts'
import { SimEngine } from './sim-engine.ts'

const { signal } = new AbortController()

/** An Engine of the world, as production reaches it. */
async function openEngine(): Promise<{ readonly engine: Engine; readonly unknown: readonly string[] }> {
  const clock = new ManualClock()
  const unknown: string[] = []
  const process = new WorldProcess(clock, { onKilled() {} })
  const simulated = new SimEngine({
    machine: 'm-1',
    clock,
    isUp: () => true,
    delayMs: 0,
    shell: 'sh',
    strange: [],
    watch: { started() {}, said() {}, ended() {}, made() {}, removed() {} },
    uptime: () => '1.00',
    trouble: () => undefined,
    fill() {},
    onUnknown: ({ message }) => unknown.push(message),
  })
  const server = new EngineServer(simulated)
  const dial = async (): Promise<ReturnType<typeof dialledStream>['near']> => {
    const { near, far } = dialledStream(process, new Link(), 'm-1')
    server.serve(far)
    return near
  }
  return { engine: await Engine.open({ dial, clock: process.clock, signal }), unknown }
}

test('a job of a world with containers runs in one, and nothing is broken', async () => {
  const { seed, setting } = scenarioOf(1)
  const steps = [{ afterMs: 0, name: 'job', n: 10 } as const]
  const { violation, log } = await play({ seed, setting: { ...setting, inContainers: true }, steps })
  expect(violation).toBeUndefined()
  expect(log.map(({ text }) => text)).toContainEqual(expect.stringMatching(/^j1 has ended on m-\d: 0$/))
})

test('an Engine of the world answers what production asks it for', async () => {
  const { engine, unknown } = await openEngine()
  expect(engine).toMatchObject({ apiVersion: '1.44', platform: { os: 'linux', architecture: 'amd64' } })
  const looking = engine.call('looking', signal, (docker) => docker.getContainer('none').inspect())
  await expect(looking).rejects.toMatchObject({ code: 'not_found' })
  expect(unknown).toEqual([])
})

test('what an Engine of the world does not know is told', async () => {
  const { engine, unknown } = await openEngine()
  const asking = engine.call('asking', signal, (docker) => docker.getContainer('none').stats({ stream: false }))
  await expect(asking).rejects.toMatchObject({ code: 'failed' })
  expect(unknown).toEqual(["the world's Engine does not know this request: GET containers * stats"])
})
