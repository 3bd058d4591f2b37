// What runs in the thread of a state directory.
import { parentPort } from 'node:worker_threads'
import type { ThreadAnswer, ThreadRequest } from './database-thread.ts'
import { type DatabaseRequest, FleetDatabaseService } from './fleet-database-service.ts'

/**
 * With more characters than this a request leaves copies that are worth collecting at once: this thread makes too
 * little else for the collector to come by.
 */
const largeRequest = 4 << 20

const services = new Map<number, FleetDatabaseService>()

parentPort?.on('message', (message: ThreadRequest) => {
  if (message === undefined) {
    parentPort?.close()
    return
  }
  const [database, request] = message
  const service = services.get(database) ?? new FleetDatabaseService()
  if (request.call === 'close') services.delete(database)
  else services.set(database, service)
  parentPort?.postMessage([database, service.answer(request)] satisfies ThreadAnswer)
  if (sizeOf(request) > largeRequest) setImmediate(() => globalThis.gc?.())
})

function sizeOf(request: DatabaseRequest): number {
  return request.call === 'write' ? request.args[1].reduce((sum, { json }) => sum + (json?.length ?? 0), 0) : 0
}
