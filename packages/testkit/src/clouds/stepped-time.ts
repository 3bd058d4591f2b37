import { setTimeout as pause } from 'node:timers/promises'
import type { InstanceGroup } from '@runner-core/fleeting'
import { type CloudControls, ManualClock } from '@runner-core/fleeting/testing'

/** Time is simulated, HTTP is real: the clock stands still until every call under way has its answer. */
const stepMs = 250
/** A call that gets no further for so long in real time waits for the clock. */
const stuckMs = 100

const watched: ReadonlySet<string | symbol> = new Set([
  'init',
  'list',
  'increase',
  'decrease',
  'connectInfo',
  'owners',
  'claim',
])

/** A clock that passes in steps, and knows which calls of a group are under way. */
export class SteppedTime {
  readonly clock = new ManualClock()
  readonly #clouds: CloudControls[] = []
  #underWay = 0

  /** The same group, whose calls are waited for; `cloud` is what they go to. */
  watch(group: InstanceGroup, cloud: CloudControls): InstanceGroup {
    this.#clouds.push(cloud)
    return new Proxy(group, {
      get: (target, property) => {
        const value: unknown = Reflect.get(target, property, target)
        if (typeof value !== 'function') return value
        if (!watched.has(property)) return value.bind(target)
        return async (...args: unknown[]) => {
          this.#underWay += 1
          try {
            return await value.apply(target, args)
          } finally {
            this.#underWay -= 1
          }
        }
      },
    })
  }

  /** Passes `ms`, a step after the other; `eachStep` acts at the begin of each. */
  async pass(ms: number, eachStep: () => void = () => {}): Promise<void> {
    for (let left = ms; left > 0; left -= stepMs) {
      eachStep()
      await this.clock.advance(Math.min(stepMs, left))
      await this.settle()
    }
  }

  /** Passes time until the promise has settled. */
  async until<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false
    const settled = (): void => {
      isSettled = true
    }
    promise.then(settled, settled)
    do {
      const isStuck = await this.settle()
      await this.clock.advance(0)
      if (!isSettled && (isStuck || this.#underWay === 0)) await this.clock.advance(stepMs)
    } while (!isSettled)
    return await promise
  }

  /** True: calls are under way that get no further, so they wait for the clock. */
  async settle(): Promise<boolean> {
    const answered = (): number => this.#clouds.reduce((sum, cloud) => sum + (cloud.calls?.().length ?? 0), 0)
    let progress = answered()
    for (let since = performance.now(); this.#underWay > 0; ) {
      await pause(1)
      if (answered() !== progress) {
        progress = answered()
        since = performance.now()
      }
      if (performance.now() - since > stuckMs) return true
    }
    return false
  }
}
