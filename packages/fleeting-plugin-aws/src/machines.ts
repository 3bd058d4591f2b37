import type { Instance } from '@aws-sdk/client-ec2'
import { untilAbort } from '@runner-core/fleeting'
import { maxDescribed } from './call-sizes.ts'
import type { AwsClient } from './client.ts'

interface Question {
  readonly id: string
  readonly signal: AbortSignal
  readonly resolve: (instance: Instance | undefined) => void
  readonly reject: (error: unknown) => void
}

/**
 * What EC2 knows of the group's instances; what has an address, and has not ended, is remembered. Questions that come
 * while a call is under way share the next one, and each call asks for others that run too, since they will be
 * connected to next: so a thousand new machines cost a few calls, however they are asked for.
 */
export class Machines {
  readonly #client: AwsClient
  readonly #needsExternal: boolean
  readonly #known = new Map<string, Instance>()
  readonly #ended = new AbortController()
  #questions: Question[] = []
  /** Shown as running by the last list. */
  #running = new Set<string>()
  #asking = false

  /** `needsExternal`: machines are reached at their public addresses. */
  constructor(client: AwsClient, needsExternal: boolean) {
    this.#client = client
    this.#needsExternal = needsExternal
  }

  /** From memory, when it is known to run. Undefined: the group has none of that id. */
  async find(id: string, signal: AbortSignal): Promise<Instance | undefined> {
    signal.throwIfAborted()
    const known = this.#known.get(id)
    if (known === undefined || (known.State?.Name !== 'running' && !this.#running.has(id))) return this.ask(id, signal)
    // One that was asked for while it started, and that the group has in service by now.
    return { ...known, State: { ...known.State, Name: 'running' } }
  }

  /** As it is now. */
  ask(id: string, signal: AbortSignal): Promise<Instance | undefined> {
    const answer = new Promise<Instance | undefined>((resolve, reject) =>
      this.#questions.push({ id, signal, resolve, reject }),
    )
    void this.#answerAll()
    return untilAbort(answer, signal)
  }

  /** Whether one of those remembered is a spot instance. */
  hasSpot(): boolean {
    return [...this.#known.values()].some(({ InstanceLifecycle }) => InstanceLifecycle === 'spot')
  }

  /** All others are gone, or going. `running` are those of them that run. */
  keepOnly(alive: ReadonlySet<string>, running: readonly string[]): void {
    for (const id of this.#known.keys()) if (!alive.has(id)) this.#known.delete(id)
    this.#running = new Set(running)
  }

  forget(ids: readonly string[]): void {
    for (const id of ids) {
      this.#known.delete(id)
      this.#running.delete(id)
    }
  }

  /** Nobody waits any longer. */
  end(): void {
    this.#ended.abort(new Error('the group has been shut down'))
  }

  async #answerAll(): Promise<void> {
    if (this.#asking) return
    this.#asking = true
    // Those who ask in this turn of the loop share a call too.
    await Promise.resolve()
    while (this.#questions.length > 0) {
      const asked = this.#questions.splice(0, maxDescribed).filter(({ signal }) => !signal.aborted)
      if (asked.length > 0) await this.#answer(asked)
    }
    this.#asking = false
  }

  /** The call ends when nobody waits for it any longer. */
  async #answer(asked: readonly Question[]): Promise<void> {
    const left = new AbortController()
    const onAbort = (): void => {
      if (asked.every(({ signal }) => signal.aborted)) left.abort(asked[0]!.signal.reason)
    }
    for (const { signal } of asked) signal.addEventListener('abort', onAbort)
    try {
      const wanted = new Set(asked.map(({ id }) => id))
      const unknown = [...this.#running].filter((id) => !this.#known.has(id))
      const ids = [...new Set([...wanted, ...unknown])].slice(0, maxDescribed)
      const instances = await this.#client.describeInstances(ids, AbortSignal.any([left.signal, this.#ended.signal]))
      const byId = new Map(instances.map((instance) => [instance.InstanceId, instance]))
      // What was removed meanwhile is not remembered again.
      for (const id of ids) if (wanted.has(id) || this.#running.has(id)) this.#remember(id, byId.get(id))
      for (const { id, resolve } of asked) resolve(byId.get(id))
    } catch (error) {
      for (const { reject } of asked) reject(error)
    } finally {
      for (const { signal } of asked) signal.removeEventListener('abort', onAbort)
    }
  }

  #remember(id: string, instance: Instance | undefined): void {
    if (instance !== undefined && this.#isReachable(instance)) this.#known.set(id, instance)
    else this.#known.delete(id)
  }

  /** Whether all is known that a dial needs. One that is starting may get its public address later than the other. */
  #isReachable({ State, PrivateIpAddress, PublicIpAddress }: Instance): boolean {
    if (PrivateIpAddress === undefined) return false
    return (
      State?.Name === 'running' ||
      (State?.Name === 'pending' && !(this.#needsExternal && PublicIpAddress === undefined))
    )
  }
}
