import type { StateError, StateErrorCode } from '../state-store.ts'
import { asStateError } from './as-state-error.ts'
import { FleetDatabase } from './fleet-database.ts'

type Calls = Pick<FleetDatabase, 'lease' | 'take' | 'beat' | 'giveBack' | 'load' | 'write'>

/** What one thread asks of another that has the database; `again`: the same as before, which found the file locked. */
export type DatabaseRequest = {
  [Call in CallName]: { readonly call: Call; readonly args: DatabaseArguments<Call> }
}[CallName]

type CallName = keyof Calls | 'open' | 'close' | 'again'

export type DatabaseArguments<Call extends CallName> = Call extends keyof Calls
  ? Parameters<Calls[Call]>
  : Call extends 'open'
    ? [directory: string]
    : []

export type DatabaseResult<Call extends CallName> = Call extends keyof Calls ? ReturnType<Calls[Call]> : undefined

/** A `StateError` is no more than an `Error` once it has passed from one thread to another. */
export type DatabaseAnswer =
  | { readonly result: unknown }
  | { readonly error: { readonly code: StateErrorCode; readonly message: string; readonly cause: unknown } }

/** Has a fleet's database open, and answers one request after the other. */
export class FleetDatabaseService {
  #database: FleetDatabase | undefined
  #refused: DatabaseRequest | undefined

  /** Thrown: nothing. */
  answer(request: DatabaseRequest): DatabaseAnswer {
    const asked = request.call === 'again' ? this.#refused : request
    this.#refused = undefined
    try {
      return { result: asked && this.#perform(asked) }
    } catch (error) {
      const { code, message, cause }: StateError = asStateError('of the fleet', error)
      if (code === 'busy') this.#refused = asked
      return { error: { code, message, cause: plain(cause) } }
    }
  }

  #perform(request: DatabaseRequest): unknown {
    if (request.call === 'open') {
      this.#database ??= new FleetDatabase(...request.args)
      return undefined
    }
    if (request.call === 'close') return this.#database?.close()
    if (request.call === 'again' || this.#database === undefined) return undefined
    const call = this.#database[request.call] as (...args: unknown[]) => unknown
    return call.apply(this.#database, [...request.args])
  }
}

/** What can pass to another thread, whatever was thrown. */
function plain(cause: unknown): unknown {
  if (!(cause instanceof Error)) return cause === undefined ? undefined : JSON.stringify(cause)
  const { errcode, code } = cause as { errcode?: unknown; code?: unknown }
  return Object.assign(new Error(cause.message), { errcode, code })
}
