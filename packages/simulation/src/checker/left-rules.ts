import type { Books, RunBook, ThingBook } from './books.ts'
import type { TroubleKind } from './history.ts'
import type { CreateRule } from './rule.ts'

/** After so long beside another job nothing of one that has ended is there any more, milliseconds. */
const sweptWithinMs = 20_000

/** While these last, what was left need not be found. */
const hindering: readonly TroubleKind[] = [
  'unreachable',
  'interrupted',
  'misreported',
  'machine_disk',
  'coordinator',
  'cloud',
  'state',
  'power',
]

/**
 * What was made on a machine for a job is gone once another job has run there for a while, with nothing in the way and
 * by one process.
 */
export const nothingIsLeft: CreateRule = (report) => {
  const told = new Set<ThingBook>()
  return {
    see(_record, books) {
      for (const thing of books.things.values()) {
        if (thing.isStrange || told.has(thing) || books.machines.get(thing.machine)?.state !== 'lives') continue
        const overAt = endOf(thing, books)
        const later = overAt === undefined ? undefined : laterRun(thing, overAt, books)
        if (later === undefined) continue
        told.add(thing)
        report('something left', `${thing.thing} of ${thing.job ?? 'nobody'} on ${thing.machine}, beside ${later.run}`)
      }
    },
  }
}

/** When nobody needed it any more; undefined: somebody may. */
function endOf({ machine, job, attempt, madeAt }: ThingBook, books: Books): number | undefined {
  // Nobody can say whose it is: a job that ran there then may need it.
  if (job === undefined) {
    const runs = [...books.runs.values()].filter((run) => run.machine === machine && run.startedAt <= books.at)
    if (runs.some((run) => run.lives && run.startedAt <= madeAt + sweptWithinMs)) return undefined
    return Math.max(madeAt, ...runs.map(({ startedAt, endedAt = 0 }) => (startedAt <= madeAt ? endedAt : madeAt)))
  }
  const book = books.jobs.get(job)
  if (book === undefined || book.last?.attempt === attempt) return book?.endedAt
  return book.last?.handedOutAt
}

/** A run that began after that, and went on long enough without any trouble. */
function laterRun({ machine }: ThingBook, overAt: number, books: Books): RunBook | undefined {
  const { at } = books
  return [...books.runs.values()].find(
    ({ machine: where, startedAt }) =>
      where === machine &&
      startedAt > overAt &&
      at - startedAt >= sweptWithinMs &&
      !books.wasTroubled(hindering, { machine }, startedAt, at) &&
      [...books.processes.values()].every(
        (process) => process.startedAt <= startedAt && (process.endedAt < startedAt || process.endedAt > at),
      ),
  )
}

/** What others made on a machine stays. */
export const thingsOfOthersStay: CreateRule = (report) => {
  const strange = new Set<string>()
  return {
    see(record) {
      if (record.kind !== 'made' && record.kind !== 'removed') return
      const key = `${record.thing} on ${record.machine}`
      if (record.kind === 'made' && record.strange === true) strange.add(key)
      if (record.kind === 'removed' && strange.delete(key)) report('thing of others removed', key)
    },
  }
}
