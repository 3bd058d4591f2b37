import { type Books, type MachineBook, onlyFleet } from './books.ts'
import { excusing } from './end-rules.ts'
import type { CreateRule } from './rule.ts'

/**
 * No machine that lives is deleted while a script of a job that has not ended lives on it, unless something happened to
 * the machine or the job for which that job may fail.
 */
export const noLeasedMachineIsDeleted: CreateRule = (report) => ({
  see(record, books) {
    if (record.kind !== 'delete_asked') return
    for (const machine of record.machines) {
      const { state } = books.machines.get(machine) ?? {}
      if (state !== 'lives' && state !== 'exists') continue
      for (const { job, run, startedAt, attempt } of books.runsOn(machine)) {
        const book = books.jobs.get(job)
        if (book === undefined || book.endedAt !== undefined || book.cancelAskedAt !== undefined) continue
        if (book.last?.attempt !== attempt || wasForsaken(book.last.to, machine, books)) continue
        if (!books.wasTroubled(excusing, { machine, job }, startedAt, record.at))
          report('leased machine deleted', `${machine} by ${record.by}, while ${run} of ${job} runs there`)
      }
    }
  },
})

/** Where nothing is kept, jobs end with their process, and what they left may go. */
function wasForsaken(process: string, machine: string, books: Books): boolean {
  const fleet = books.fleetOf(books.machines.get(machine)?.fleet ?? onlyFleet)
  return fleet?.resumes === false && (books.processes.get(process)?.endedAt ?? Number.POSITIVE_INFINITY) <= books.at
}

/** The longest delay of a list. A machine that no list has shown by then may be asked for again. */
const hiddenMs = 10_000

/**
 * There are never more machines than the maximum, those that were made as asked for; strangers' are left out, and those
 * that lists left out for so long that they count as gone.
 */
export const neverAboveTheMaximum: CreateRule = (report) => ({
  see(record, books) {
    if (record.kind !== 'machine' || record.state === 'gone') return
    const name = record.fleet ?? books.machines.get(record.machine)?.fleet ?? onlyFleet
    const fleet = books.fleetOf(name)
    if (fleet === undefined) return
    const there = [...books.machines.values()].filter(({ state, fleet: of }) => of === name && state !== 'gone')
    // One that no list showed in time cannot be known where machines do not tell their launches; another one may be
    // there when it comes.
    const isHidden = ({ listedAt = books.at, existsSince }: MachineBook): boolean =>
      !fleet.tellsLaunches && listedAt - existsSince >= hiddenMs
    const ours = there.filter((book) => book.origin === 'asked' && !book.takenForGone && !isHidden(book))
    // Which of them were asked for nobody can say there, nor which one has come back.
    const confusing = [...books.machines.values()].filter(
      ({ origin, wasMissed, fleet: of }) => of === name && (origin === 'strange' || wasMissed),
    )
    const strangers = fleet.tellsLaunches ? 0 : confusing.length
    if (ours.length > fleet.maxInstances + strangers)
      report(
        'more machines than the maximum',
        `${ours.map(({ machine }) => machine).join(', ')}: ${ours.length}, the maximum is ${fleet.maxInstances}`,
      )
  },
})

/**
 * Machines that somebody else made while the story went on are given no work, once it can be known that machines tell
 * their launches.
 */
export const strangersAreLeftAlone: CreateRule = (report) => ({
  see(record, books) {
    if (record.kind !== 'script_started') return
    const machine = books.machines.get(record.machine)
    if (
      machine?.origin !== 'strange' ||
      machine.token !== undefined ||
      !machine.wereLaunchesTold ||
      books.fleetOf(machine.fleet)?.tellsLaunches !== true
    )
      return
    report('machine of others used', `${record.run} of ${record.job} on ${record.machine}`)
  },
})

/** Where projects are kept apart, a machine runs jobs of one project for as long as it lives. */
export const projectsAreKeptApart: CreateRule = (report) => {
  const projects = new Map<string, { readonly project: string; readonly job: string }>()
  return {
    see(record, books) {
      if (record.kind !== 'script_started') return
      const { machine, job, run } = record
      const project = books.jobs.get(job)?.project
      const fleet = books.machines.get(machine)?.fleet ?? onlyFleet
      if (project === undefined || books.fleetOf(fleet)?.separatesProjects !== true) return
      const first = projects.get(machine) ?? { project, job }
      projects.set(machine, first)
      if (first.project !== project)
        report(
          'projects on one machine',
          `${run} of ${job} (${project}) on ${machine}, after ${first.job} (${first.project})`,
        )
    },
  }
}
