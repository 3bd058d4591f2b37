import { randomUUID } from 'node:crypto'
import type { Clock } from '@runner-core/fleeting'
import type { ArmError } from './arm-answer.ts'

export interface Operation {
  readonly id: string
  readonly startedAt: number
  /** Whether it has ended, now. */
  readonly isDone: () => boolean
  /** Why it will have failed once it has ended. */
  readonly error: ArmError | undefined
}

/** Long-running operations. How each stands follows from what it waits for, so nothing has to tick. */
export class Operations {
  readonly #clock: Clock
  readonly #operations = new Map<string, Operation>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  start(isDone: () => boolean, error?: ArmError): Operation {
    const operation = { id: randomUUID(), startedAt: this.#clock.now(), isDone, error }
    this.#operations.set(operation.id, operation)
    return operation
  }

  get(id: string): Operation | undefined {
    return this.#operations.get(id)
  }

  /** What a resource shows of the operations on it. */
  provisioningState(): 'Updating' | 'Succeeded' | 'Failed' {
    const operations = [...this.#operations.values()]
    if (operations.some(({ isDone }) => !isDone())) return 'Updating'
    return operations.at(-1)?.error === undefined ? 'Succeeded' : 'Failed'
  }
}

/** What its status address answers. */
export function operationStatus({ id, startedAt, isDone, error }: Operation): Readonly<Record<string, unknown>> {
  const startTime = new Date(startedAt).toISOString()
  if (!isDone()) return { startTime, status: 'InProgress', name: id }
  return {
    startTime,
    endTime: startTime,
    status: error === undefined ? 'Succeeded' : 'Failed',
    ...(error !== undefined && { error }),
    name: id,
  }
}
