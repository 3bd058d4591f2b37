import { type Clock, delay } from '@runner-core/fleeting'

/** Resolves when `done` has settled, or after `ms` milliseconds, whichever comes first. Never rejects. */
export async function atMost(clock: Clock, ms: number, done: Promise<unknown>): Promise<void> {
  const settled = new AbortController()
  const finish = (): void => settled.abort()
  await Promise.race([done.then(finish, finish), delay(clock, ms, settled.signal).catch(() => {})])
  settled.abort()
}
