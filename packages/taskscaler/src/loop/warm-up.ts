import type { Connection } from '@runner-core/fleeting'
import type { Instance } from '@runner-core/fleeting/provisioner'

export interface WarmUpOptions {
  /** Aborts when the time is over, and when the instance goes. */
  readonly signal: AbortSignal
  /** Says that the instance has this now: see `AcquireOptions.content`. */
  readonly has: (content: string) => void
}

/**
 * Brings to each instance, once it was proven ready, what makes its first jobs start sooner. An instance counts as
 * ready only after that, and is lent before it only where no other slot is free: no job waits for it. What is under way
 * then continues beside the job.
 */
export interface WarmUp {
  /** What it does, for people: `pulling ruby:3.3`. */
  readonly title: string
  /** How long it may take, milliseconds. @defaultValue 600,000 */
  readonly limitMs?: number | undefined
  /** Resolves to what came of it, for people: `has ruby:3.3`. A rejection is logged, and has no other effect. */
  run(instance: Instance, connection: Connection, options: WarmUpOptions): Promise<string>
}
