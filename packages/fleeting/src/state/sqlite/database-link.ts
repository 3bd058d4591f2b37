import { type DatabaseAnswer, type DatabaseRequest, FleetDatabaseService } from './fleet-database-service.ts'

/** The way to a fleet's database. One request at a time. */
export interface DatabaseLink {
  /** Rejects with `StateError` `unavailable` when the database is not there any more. */
  ask(request: DatabaseRequest): Promise<DatabaseAnswer>
  /** Whether it is not there any more: what was asked last may have been done, and nothing will be. */
  readonly hasEnded: boolean
}

/** To a database in the thread of the caller, which waits with it for the disk. */
export function directLink(): DatabaseLink {
  const service = new FleetDatabaseService()
  return { ask: async (request) => service.answer(request), hasEnded: false }
}
