import { once } from 'node:events'
import { createServer } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { silentLogger } from '@runner-core/fleeting'
import { ManualClock } from '@runner-core/fleeting/testing'
import { afterEach, expect, test } from 'vitest'
import { jobContainerName } from '../containers/container-names.ts'
import { EngineConnection } from '../engine/engine-connection.ts'
import { EngineSweeper, type OwnInstances } from './engine-sweeper.ts'
import { attemptLabel, attemptLabels } from './labels.ts'

const closing: (() => void)[] = []
afterEach(() => {
  for (const close of closing.splice(0)) close()
})

const fleet = 'ci/token/s_1'

/** An Engine with one container of each attempt. */
async function startEngine(...attempts: readonly string[]) {
  const containers = new Map(attempts.map((attempt) => [attempt, containerOf(attempt)]))
  const counts = { looks: 0, atOnce: 0, mostAtOnce: 0 }
  let isAway = false
  const server = createServer(({ method, url = '' }, response) => {
    const { pathname, searchParams } = new URL(url, 'http://docker')
    const answer = (body: unknown): void => void response.end(JSON.stringify(body))
    if (pathname === '/version')
      return answer({ ApiVersion: '1.41', MinAPIVersion: '1.12', Os: 'linux', Arch: 'amd64' })
    if (pathname.endsWith('/networks')) return answer([])
    if (pathname.endsWith('/volumes')) return answer({ Volumes: [] })
    if (method === 'DELETE') {
      containers.delete(decodeURIComponent(pathname.split('/').at(-1)!))
      return void response.writeHead(204).end()
    }
    const { label } = JSON.parse(searchParams.get('filters')!) as { label: string[] }
    const [, attempt] = label[0]!.split('=')
    if (attempt === undefined) counts.looks++
    answer([...containers.values()].filter((each) => attempt === undefined || each.Labels[attemptLabel] === attempt))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  closing.push(() => {
    server.closeAllConnections()
    server.close()
  })
  const connectTo = async (): Promise<EngineConnection> => {
    counts.atOnce++
    counts.mostAtOnce = Math.max(counts.mostAtOnce, counts.atOnce)
    // The others come before this one goes on.
    await new Promise(setImmediate)
    counts.atOnce--
    if (isAway) throw new Error('connect ECONNREFUSED')
    return new EngineConnection(async () => {
      const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
      await once(socket, 'connect')
      return socket
    })
  }
  return {
    counts,
    connect: connectTo,
    add: (attempt: string) => containers.set(attempt, containerOf(attempt)),
    attempts: () => [...containers.keys()],
    goAway: () => {
      isAway = true
    },
    comeBack: () => {
      isAway = false
    },
  }
}

function containerOf(attempt: string) {
  const labels = attemptLabels({ fleet, attempt, job: 1, project: 7, expiresAt: 0 })
  return { Id: attempt, Names: [`/${jobContainerName(attempt)}`], Labels: labels }
}

interface SweeperOptions {
  readonly ready?: string[]
  readonly active?: string[]
  readonly proveLease?: OwnInstances['proveLease']
}

function makeSweeper(
  engine: Awaited<ReturnType<typeof startEngine>>,
  { ready = ['i-1'], active = [], proveLease = async () => {} }: SweeperOptions = {},
) {
  const clock = new ManualClock()
  let wake = (): void => {}
  const sweeper = new EngineSweeper({
    target: { socketPath: '/engine' },
    fleet,
    isActive: (attempt) => active.includes(attempt),
    instances: {
      ready: () => ready,
      onChange: (listener) => {
        wake = listener
      },
      connect: engine.connect,
      proveLease,
    },
    clock,
    logger: silentLogger,
  })
  const settle = async (): Promise<void> => {
    wake()
    await sweeper.ended()
  }
  const advance = async (ms: number): Promise<void> => {
    await clock.advance(ms)
    await settle()
  }
  return { sweeper, settle, advance }
}

test('an instance that is ready is swept without a job, once, and what is to be resumed stays', async () => {
  const engine = await startEngine('over', 'running')
  const { sweeper, settle, advance } = makeSweeper(engine, { active: ['running'] })
  await settle()
  expect(engine.attempts()).toEqual(['over', 'running'])
  sweeper.begin()
  await sweeper.ended()
  expect(engine.attempts()).toEqual(['running'])
  await advance(3_600_000)
  expect(engine.counts.looks).toBe(1)
})

test('an instance that is ready later is swept then', async () => {
  const ready: string[] = []
  const engine = await startEngine('over')
  const { sweeper, settle } = makeSweeper(engine, { ready })
  sweeper.begin()
  await settle()
  expect(engine.attempts()).toEqual(['over'])
  ready.push('i-1')
  await settle()
  expect(engine.attempts()).toEqual([])
})

test('an Engine that cannot be reached is swept once it can, and is tried ever less often until then', async () => {
  const engine = await startEngine('over')
  engine.goAway()
  const { sweeper, settle, advance } = makeSweeper(engine)
  sweeper.begin()
  await sweeper.ended()
  engine.comeBack()
  await advance(29_999)
  expect(engine.counts.looks).toBe(0)
  engine.goAway()
  await advance(1)
  engine.comeBack()
  await advance(59_999)
  expect(engine.attempts()).toEqual(['over'])
  await advance(1)
  expect(engine.attempts()).toEqual([])
  await settle()
})

test('nothing is removed where another process may have taken the fleet before it was seen', async () => {
  const engine = await startEngine('of the other')
  const proveLease = async (): Promise<void> => {
    throw new Error('another process owns the fleet now')
  }
  const { sweeper } = makeSweeper(engine, { proveLease })
  sweeper.begin()
  await sweeper.ended()
  expect([engine.counts.looks, engine.attempts()]).toEqual([1, ['of the other']])
})

test('an Engine is swept again after something may have been left on it: after a while, or beside the next job', async () => {
  const engine = await startEngine()
  const { sweeper, advance } = makeSweeper(engine)
  sweeper.begin()
  await sweeper.ended()
  engine.add('left')
  sweeper.note('i-1')
  await advance(29_999)
  expect(engine.attempts()).toEqual(['left'])
  await advance(1)
  expect(engine.attempts()).toEqual([])
  engine.add('left too')
  sweeper.note('i-1')
  sweeper.sweep('i-1', await engine.connect())
  await sweeper.ended()
  expect(engine.attempts()).toEqual([])
})

test('what may be left while a sweep is under way is looked for again', async () => {
  const engine = await startEngine()
  const { sweeper, advance } = makeSweeper(engine)
  sweeper.begin()
  sweeper.note('i-1')
  await sweeper.ended()
  engine.add('left')
  await advance(30_000)
  expect(engine.attempts()).toEqual([])
})

test('of many instances a few are swept at once, and all in turn', async () => {
  const engine = await startEngine()
  const { sweeper } = makeSweeper(engine, { ready: Array.from({ length: 10 }, (_, index) => `i-${index}`) })
  sweeper.begin()
  await sweeper.ended()
  expect([engine.counts.looks, engine.counts.mostAtOnce]).toEqual([10, 4])
})
