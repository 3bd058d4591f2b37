import { type CloudControls, type ConformanceCloud, SkippingClock } from '@runner-core/fleeting/testing'
import { LocalMachines } from '../core/local-machines.ts'
import type { RealMachines } from '../core/real-machines.ts'

/** Lags that a plugin must cope with, and that cost a run no time. */
const lags = { appearMs: 20, bootMs: 60, deleteMs: 40 }

interface Fake extends AsyncDisposable {
  readonly controls: CloudControls
}

/** What every fake is started with here. */
export interface FakeBasics {
  readonly clock: SkippingClock
  readonly lags: typeof lags
  readonly real: RealMachines
}

/** Has something done when the cloud ends: the last first. */
export type Defer = (act: () => unknown) => void

/**
 * A fake on a real clock, set forward where credentials are to expire, with machines that can be logged in to, as the
 * suite's command line wants it. `describe` tells what a plugin needs to find the fake; what it defers is done in the
 * end.
 */
export async function realCloud<F extends Fake>(
  start: (basics: FakeBasics) => Promise<F>,
  describe: (fake: F, defer: Defer) => NonNullable<ConformanceCloud['pluginConfig']>,
): Promise<ConformanceCloud> {
  // By controls: Node has stacks of disposables since 24 only.
  const deferred: (() => unknown)[] = []
  const end = async (): Promise<void> => {
    try {
      await deferred.pop()?.()
    } finally {
      if (deferred.length > 0) await end()
    }
  }
  try {
    const real = await LocalMachines.start()
    deferred.push(() => real[Symbol.asyncDispose]())
    const clock = new SkippingClock()
    const fake = await start({ clock, lags, real })
    deferred.push(() => fake[Symbol.asyncDispose]())
    return {
      pluginConfig: describe(fake, (act) => deferred.push(act)),
      connector: real.connector,
      controls: { ...fake.controls, passTime: (ms) => clock.skip(ms) },
      options: { pollMs: 20, patienceMs: 30_000, clock },
      [Symbol.asyncDispose]: end,
    }
  } catch (error) {
    await end()
    throw error
  }
}
