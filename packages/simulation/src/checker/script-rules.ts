import { ownScript } from './books.ts'
import type { CreateRule } from './rule.ts'

/**
 * Each script starts at most once for each attempt at its job, and not before the coordinator has heard that the
 * attempt was accepted.
 */
export const scriptsStartOnce: CreateRule = (report) => {
  const started = new Map<string, string>()
  return {
    see(record, books) {
      if (record.kind !== 'script_started') return
      const attempt = books.attempt(record.job, record.attempt)
      if (attempt === undefined) return
      const { run, job, machine, slot, script = ownScript } = record
      const key = JSON.stringify([job, attempt.attempt, script])
      const before = started.get(key)
      const where = `slot ${slot} of ${machine}`
      if (before !== undefined)
        report(
          'script started twice',
          `${script} of ${job} (${attempt.attempt}) as ${before}, and as ${run} in ${where}`,
        )
      else started.set(key, `${run} in ${where}`)
      if (attempt.acceptedAt === undefined)
        report(
          'script started before its job was accepted',
          `${script} of ${job} (${attempt.attempt}) as ${run} in ${where}`,
        )
    },
  }
}

/** Two scripts are never in one slot at once: where processes of one live, none starts. */
export const oneScriptInASlot: CreateRule = (report) => ({
  see(record, books) {
    if (record.kind !== 'script_started') return
    for (const other of books.runsOn(record.machine))
      if (other.run !== record.run && other.slot === record.slot)
        report(
          'two scripts in one slot',
          `${record.run} of ${record.job} beside ${other.run} of ${other.job} in slot ${record.slot} of ${record.machine}`,
        )
  },
})
