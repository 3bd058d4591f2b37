import fc from 'fast-check'
import { beforeEach, describe, expect, test } from 'vitest'
import type { Connection } from '../../contract/connection.ts'
import { ConnectionError } from '../../contract/errors.ts'
import { ManualClock } from '../../testing/manual-clock.ts'
import { ConnectionKeeper, type ConnectionKeeperOptions } from './connection-keeper.ts'

/** A connection of which a test decides when it is heard, dead, or answers a check. */
class FakeConnection implements Connection {
  readonly instanceId: string
  readonly #clock: ManualClock
  readonly #listeners: ((reason: Error) => void)[] = []
  ended: Error | undefined
  lastHeardAt: number
  /** It looks alive, but answers nothing. */
  silent = false
  checks = 0

  constructor(instanceId: string, clock: ManualClock) {
    this.instanceId = instanceId
    this.#clock = clock
    this.lastHeardAt = clock.now()
  }

  async check(timeoutMs: number): Promise<void> {
    this.checks += 1
    if (this.silent) {
      await new Promise<void>((resolve) => this.#clock.after(timeoutMs, resolve))
      this.end()
    }
    if (this.ended !== undefined) throw this.ended
    this.lastHeardAt = this.#clock.now()
  }

  end(): void {
    if (this.ended !== undefined) return
    this.ended = new ConnectionError('connection_lost', 'gone')
    for (const listener of this.#listeners) listener(this.ended)
  }

  onEnd(listener: (reason: Error) => void): void {
    if (this.ended === undefined) this.#listeners.push(listener)
    else listener(this.ended)
  }

  async close(): Promise<void> {
    this.end()
  }

  exec(): never {
    throw new Error('not here')
  }

  dial(): never {
    throw new Error('not here')
  }
}

const never = new AbortController().signal
const enough = new Error('enough')
let clock: ManualClock
let dialled: FakeConnection[]
beforeEach(() => {
  clock = new ManualClock()
  dialled = []
})

function keeperOf(dial?: (instanceId: string, signal: AbortSignal) => Promise<FakeConnection>): ConnectionKeeper {
  const answering: ConnectionKeeperOptions['dial'] = async (instanceId, signal) => {
    const connection = await (dial ?? (async () => new FakeConnection(instanceId, clock)))(instanceId, signal)
    dialled.push(connection)
    return connection
  }
  return new ConnectionKeeper({ dial: answering, clock })
}

/** Dials hang until the signal aborts or the test answers. */
function held(): {
  dial: (instanceId: string, signal: AbortSignal) => Promise<FakeConnection>
  answer: (connection?: FakeConnection) => void
  signals: AbortSignal[]
} {
  const waiting: ((connection: FakeConnection) => void)[] = []
  const signals: AbortSignal[] = []
  return {
    signals,
    dial: (instanceId, signal) =>
      new Promise((resolve, reject) => {
        signals.push(signal)
        waiting.push((connection) => resolve(connection))
        signal.addEventListener('abort', () => reject(signal.reason))
        void instanceId
      }),
    answer: (connection = new FakeConnection('i', clock)) => waiting.shift()?.(connection),
  }
}

describe('keeping', () => {
  test('one connection per slot, across calls; unchecked while it was heard just before, checked later', async () => {
    const keeper = keeperOf()
    const first = await keeper.get('i', 0, never)
    await clock.advance(2000)
    expect(await keeper.get('i', 0, never)).toBe(first)
    expect(dialled[0]!.checks).toBe(0)
    await clock.advance(1)
    expect(await keeper.get('i', 0, never)).toBe(first)
    expect(dialled[0]!.checks).toBe(1)
    expect(await keeper.get('i', 1, never)).not.toBe(first)
    expect(await keeper.get('j', 0, never)).not.toBe(first)
    expect(dialled).toHaveLength(3)
  })

  test('a dead one is replaced without the caller noticing: ended, or silent', async () => {
    const keeper = keeperOf()
    await keeper.get('i', 0, never)
    dialled[0]!.end()
    expect(await keeper.get('i', 0, never)).toBe(dialled[1])
    dialled[1]!.silent = true
    await clock.advance(60_000)
    const next = keeper.get('i', 0, never)
    await clock.advance(5000)
    expect(await next).toBe(dialled[2])
    expect(dialled[1]!.ended).toBeDefined()
    expect(clock.pendingTimers).toBe(0)
  })

  test('a connection that cannot tell when it was heard is always checked', async () => {
    const keeper = keeperOf()
    await keeper.get('i', 0, never)
    Object.assign(dialled[0]!, { lastHeardAt: undefined })
    await keeper.get('i', 0, never)
    expect(dialled[0]!.checks).toBe(1)
  })
})

describe('sharing a dial', () => {
  test('calls for the same slot wait for the same one', async () => {
    const { dial, answer, signals } = held()
    const keeper = keeperOf(dial)
    const both = [keeper.get('i', 0, never), keeper.get('i', 0, never)]
    await clock.advance(0)
    expect(signals).toHaveLength(1)
    answer()
    const [one, other] = await Promise.all(both)
    expect(one).toBe(other)
  })

  test('it ends when the last of them gives up, and the next call starts anew', async () => {
    const { dial, answer, signals } = held()
    const keeper = keeperOf(dial)
    const [first, second] = [new AbortController(), new AbortController()]
    const calls = [keeper.get('i', 0, first.signal), keeper.get('i', 0, second.signal)]
    await clock.advance(0)
    first.abort(enough)
    await expect(calls[0]).rejects.toBe(enough)
    expect(signals[0]!.aborted).toBe(false)
    second.abort(enough)
    await expect(calls[1]).rejects.toBe(enough)
    expect(signals[0]!.aborted).toBe(true)
    const third = keeper.get('i', 0, never)
    await clock.advance(0)
    expect(signals).toHaveLength(2)
    answer()
    answer()
    await third
  })

  test('a dial that takes no notice of its end does not hold up the next call', async () => {
    let dials = 0
    const keeper = keeperOf((instanceId) =>
      dials++ === 0 ? new Promise(() => {}) : Promise.resolve(new FakeConnection(instanceId, clock)),
    )
    const controller = new AbortController()
    const first = keeper.get('i', 0, controller.signal)
    first.catch(() => {})
    await clock.advance(0)
    controller.abort(enough)
    await keeper.get('i', 0, never)
    await expect(first).rejects.toBe(enough)
  })

  test('a failed dial is not remembered', async () => {
    let fails = true
    const keeper = keeperOf(async (instanceId) => {
      if (fails) throw enough
      return new FakeConnection(instanceId, clock)
    })
    await expect(keeper.get('i', 0, never)).rejects.toBe(enough)
    fails = false
    await keeper.get('i', 0, never)
  })
})

describe('a machine that accepts no more connections', () => {
  const unreachable = new ConnectionError('unreachable', 'no')

  test('another slot’s connection is shared for a minute, then a dial is tried again', async () => {
    let limit = 1
    const keeper = keeperOf(async (instanceId) => {
      if (limit-- <= 0) throw unreachable
      return new FakeConnection(instanceId, clock)
    })
    const own = await keeper.get('i', 0, never)
    expect(await keeper.get('i', 1, never)).toBe(own)
    expect(limit).toBe(-1)
    expect(await keeper.get('i', 1, never)).toBe(own)
    expect(limit).toBe(-1)
    await clock.advance(60_000)
    limit = 1
    expect(await keeper.get('i', 1, never)).not.toBe(own)
  })

  test('after ten seconds of a dial that does not come to an end', async () => {
    const { dial, answer, signals } = held()
    const keeper = keeperOf(dial)
    const first = keeper.get('i', 0, never)
    await clock.advance(0)
    answer()
    const own = await first
    const second = keeper.get('i', 1, never)
    await clock.advance(9999)
    expect(signals[1]!.aborted).toBe(false)
    await clock.advance(1)
    expect(await second).toBe(own)
    expect(clock.pendingTimers).toBe(0)
  })

  test('not when that one has died meanwhile', async () => {
    const answers: (() => Promise<FakeConnection>)[] = [
      async () => new FakeConnection('i', clock),
      async () => {
        dialled[0]!.end()
        throw unreachable
      },
    ]
    const keeper = keeperOf(() => answers.shift()!())
    await keeper.get('i', 0, never)
    await expect(keeper.get('i', 1, never)).rejects.toBe(unreachable)
  })

  test('other errors are told', async () => {
    const refused = new ConnectionError('host_key_mismatch', 'another machine')
    const answers = [async () => new FakeConnection('i', clock), async () => Promise.reject(refused)]
    const keeper = keeperOf(() => answers.shift()!())
    await keeper.get('i', 0, never)
    await expect(keeper.get('i', 1, never)).rejects.toBe(refused)
  })
})

describe('ending', () => {
  test('forgetting closes connections, ends dials, and a connection that comes too late is closed', async () => {
    const { dial, answer, signals } = held()
    const keeper = keeperOf(dial)
    const kept = keeper.get('i', 0, never)
    await clock.advance(0)
    answer()
    await kept
    const dialling = keeper.get('i', 1, never)
    dialling.catch(() => {})
    await clock.advance(0)
    keeper.forget('i')
    await expect(dialling).rejects.toMatchObject({ code: 'unreachable' })
    expect(dialled[0]!.ended).toBeDefined()
    expect(signals[1]!.aborted).toBe(true)

    const stubborn: ((connection: FakeConnection) => void)[] = []
    const deaf = keeperOf(() => new Promise((resolve) => stubborn.push(resolve)))
    const late = deaf.get('i', 0, never)
    deaf.forget('i')
    await expect(late).rejects.toMatchObject({ code: 'unreachable' })
    const connection = new FakeConnection('i', clock)
    stubborn[0]!(connection)
    await clock.advance(0)
    expect(connection.ended).toBeDefined()
  })

  test('closing ends everything, and afterwards there is nothing to get', async () => {
    const keeper = keeperOf()
    await Promise.all([keeper.get('i', 0, never), keeper.get('i', 1, never), keeper.get('j', 0, never)])
    await keeper.close()
    await keeper.close()
    expect(dialled.every(({ ended }) => ended !== undefined)).toBe(true)
    await expect(keeper.get('i', 0, never)).rejects.toMatchObject({ code: 'unreachable' })
  })
})

test('whatever happens: never a dead or foreign connection, at most one of its own per slot, and nothing left in the end', async () => {
  const id = fc.constantFrom('i', 'j')
  const slot = fc.nat({ max: 2 })
  const step = fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({
        do: fc.constant('get' as const),
        id,
        slot,
        givesUpMs: fc.option(fc.nat({ max: 20_000 })),
      }),
    },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('pass' as const), ms: fc.nat({ max: 8000 }) }) },
    {
      weight: 2,
      arbitrary: fc.record({ do: fc.constantFrom('end' as const, 'silence' as const), which: fc.nat({ max: 9 }) }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('forget' as const), id }) },
  )
  // How long each dial takes, and how it ends.
  const dial = fc.record({
    ms: fc.nat({ max: 15_000 }),
    outcome: fc.constantFrom('connection', 'connection', 'unreachable', 'refused'),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), fc.infiniteStream(dial), async (steps, dials) => {
      clock = new ManualClock()
      const made: FakeConnection[] = []
      let dialling = 0
      const keeper = new ConnectionKeeper({
        clock,
        dial: async (instanceId, signal) => {
          const { ms, outcome } = dials.next().value!
          dialling += 1
          try {
            await new Promise<void>((resolve, reject) => {
              const cancel = clock.after(ms, resolve)
              signal.addEventListener('abort', () => {
                cancel()
                reject(signal.reason)
              })
            })
          } finally {
            dialling -= 1
          }
          if (outcome === 'unreachable') throw new ConnectionError('unreachable', 'no')
          if (outcome === 'refused') throw new ConnectionError('refused_credentials', 'no')
          const connection = new FakeConnection(instanceId, clock)
          made.push(connection)
          return connection
        },
      })
      let waiting = 0
      const wrong: unknown[] = []
      for (const action of steps) {
        if (action.do === 'get') {
          const controller = new AbortController()
          const cancel =
            action.givesUpMs === null ? () => {} : clock.after(action.givesUpMs, () => controller.abort(enough))
          waiting += 1
          void keeper
            .get(action.id, action.slot, controller.signal)
            .then(
              (connection) => {
                if (connection.ended !== undefined || (connection as FakeConnection).instanceId !== action.id)
                  wrong.push(connection)
              },
              (error: unknown) => {
                if (error !== enough && !(error instanceof ConnectionError)) wrong.push(error)
              },
            )
            .finally(() => {
              waiting -= 1
              cancel()
            })
          await clock.advance(0)
        } else if (action.do === 'pass') await clock.advance(action.ms)
        else if (action.do === 'forget') keeper.forget(action.id)
        else {
          const connection = made[action.which]
          if (action.do === 'end') connection?.end()
          else if (connection !== undefined) connection.silent = true
        }
        for (const instanceId of ['i', 'j']) {
          const alive = made.filter(
            (connection) => connection.instanceId === instanceId && connection.ended === undefined,
          )
          expect(alive.length).toBeLessThanOrEqual(3)
        }
        expect(dialling).toBeLessThanOrEqual(6)
        expect(wrong).toEqual([])
      }
      await clock.advance(60_000)
      expect(waiting).toBe(0)
      await keeper.close()
      await clock.advance(0)
      expect(made.every(({ ended }) => ended !== undefined)).toBe(true)
      expect([dialling, clock.pendingTimers]).toEqual([0, 0])
    }),
    { numRuns: 200 },
  )
})
