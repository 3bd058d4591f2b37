import { TaskQueue } from '../contract/task-queue.ts'

/**
 * OpenSSH's `MaxStartups 10:30:100` begins to drop connections when 10 are not logged in yet; somebody else may dial
 * too.
 */
const maxPending = 8

/**
 * For the whole process: a host that several groups share counts all of them together. Holds hosts being dialled only.
 */
const queues = new Map<string, { readonly places: TaskQueue; users: number }>()

/**
 * Runs `task` when fewer than 8 others run for the same host. Rejects with the signal's reason when it aborts before.
 */
export async function inHandshakeQueue<T>(host: string, signal: AbortSignal, task: () => Promise<T>): Promise<T> {
  const queue = queues.get(host) ?? { places: new TaskQueue(maxPending), users: 0 }
  queues.set(host, queue)
  queue.users += 1
  try {
    return await queue.places.run(task, signal)
  } finally {
    queue.users -= 1
    if (queue.users === 0) queues.delete(host)
  }
}
