import { type Clock, delay } from '@runner-core/fleeting'
import { ApiRefusal } from './answers.ts'

export interface NewOperation {
  readonly operationType: string
  readonly targetLink: string
  /** The zone's or region's URL that it belongs to. */
  readonly scopeLink: string
  /** Clock time at which it is done. */
  readonly doneAt: number
}

interface Operation extends NewOperation {
  readonly id: string
  readonly name: string
  readonly insertTime: string
}

/** `wait` answers after this long at the latest. */
const longestWaitMs = 120_000
const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

/** The operations of a project, and the request ids that they answered. */
export class Operations {
  readonly #clock: Clock
  readonly #byName = new Map<string, Operation>()
  readonly #byRequest = new Map<string, Operation>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Does something unless this request id has done it before. Thrown: what `act` throws; a request id that is none. */
  once(requestId: string | undefined, act: () => NewOperation): object {
    if (requestId !== undefined && (!uuid.test(requestId) || /^[0-]+$/.test(requestId))) {
      throw new ApiRefusal(400, 'invalid', `Invalid value for field 'requestId': '${requestId}'. Must be a valid UUID.`)
    }
    const earlier = requestId === undefined ? undefined : this.#byRequest.get(requestId)
    const operation = earlier ?? this.#begin(act())
    if (requestId !== undefined) this.#byRequest.set(requestId, operation)
    return this.#shown(operation)
  }

  get(name: string): object {
    return this.#shown(this.#find(name))
  }

  /** As the service does: answers when it is done, or after two minutes. */
  async wait(name: string): Promise<object> {
    const operation = this.#find(name)
    await delay(this.#clock, Math.min(Math.max(operation.doneAt - this.#clock.now(), 0), longestWaitMs))
    return this.#shown(operation)
  }

  #begin(operation: NewOperation): Operation {
    const id = String(1_000_000_000_000_000 + this.#byName.size)
    const begun = { ...operation, id, name: `operation-${id}`, insertTime: this.#time() }
    this.#byName.set(begun.name, begun)
    return begun
  }

  #find(name: string): Operation {
    const operation = this.#byName.get(name)
    if (operation === undefined) throw new ApiRefusal(404, 'notFound', `The resource operation '${name}' was not found`)
    return operation
  }

  #shown({ id, name, operationType, targetLink, scopeLink, insertTime, doneAt }: Operation): object {
    const isDone = this.#clock.now() >= doneAt
    return {
      kind: 'compute#operation',
      id,
      name,
      operationType,
      targetLink,
      user: 'fleet@example.invalid',
      insertTime,
      startTime: insertTime,
      ...(isDone && { endTime: this.#time() }),
      status: isDone ? 'DONE' : 'RUNNING',
      progress: isDone ? 100 : 0,
      selfLink: `${scopeLink}/operations/${name}`,
      [scopeLink.includes('/zones/') ? 'zone' : 'region']: scopeLink,
    }
  }

  #time(): string {
    return new Date(this.#clock.wallTime()).toISOString()
  }
}
