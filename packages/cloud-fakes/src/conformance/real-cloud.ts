import { type CloudHand, type ConformanceCloud, SkippingClock } from '@runner-core/fleeting/testing'
import { LocalMachines } from '../core/local-machines.ts'
import type { RealMachines } from '../core/real-machines.ts'

/** Lags that a plugin must cope with, and that cost a run no time. */
const lags = { appearMs: 20, bootMs: 60, deleteMs: 40 }

interface Fake extends AsyncDisposable {
  readonly hand: CloudHand
}

/** What every fake is started with here. */
export interface FakeBasics {
  readonly clock: SkippingClock
  readonly lags: typeof lags
  readonly real: RealMachines
}

/** A fake on a real clock, set forward where credentials are to expire, with machines that can be logged in to, as the suite's command line wants it. `describe` tells what a plugin needs to find the fake; what it defers is done in the end. */
export async function realCloud<F extends Fake>(
  start: (basics: FakeBasics) => Promise<F>,
  describe: (fake: F, stack: AsyncDisposableStack) => NonNullable<ConformanceCloud['pluginConfig']>,
): Promise<ConformanceCloud> {
  await using stack = new AsyncDisposableStack()
  const real = stack.use(await LocalMachines.start())
  const clock = new SkippingClock()
  const fake = stack.use(await start({ clock, lags, real }))
  const pluginConfig = describe(fake, stack)
  const disposal = stack.move()
  return {
    pluginConfig,
    connector: real.connector,
    hand: { ...fake.hand, passTime: (ms) => clock.skip(ms) },
    options: { pollMs: 20, patienceMs: 30_000, clock },
    [Symbol.asyncDispose]: () => disposal.disposeAsync(),
  }
}
