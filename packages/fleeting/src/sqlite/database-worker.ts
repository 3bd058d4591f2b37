// What runs in the thread of a state directory.
import { parentPort } from 'node:worker_threads'
import type { ThreadAnswer, ThreadRequest } from './database-thread.ts'
import { FleetDatabaseService } from './fleet-database-service.ts'

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
})
