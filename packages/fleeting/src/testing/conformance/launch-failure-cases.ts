import { asGroupError, type GroupError, type GroupErrorCode } from '../../contract/errors.ts'
import type { CloudFaultKind } from './cloud-controls.ts'
import { type ConformanceCase, type ConformanceContext, ensure, shown } from './conformance-case.ts'

/** Launches that the cloud refuses, or accepts and fails later: which of the two is its own affair. */
export const launchFailureCases: readonly ConformanceCase[] = [
  failingLaunch('capacity', ['capacity']),
  failingLaunch('quota', ['quota']),
  failingLaunch('invalid_config', ['invalid_config', 'not_found']),
  {
    name: 'a launch that fails in part accounts for everything that was requested',
    needs: { instances: 2, cloud: ['inject', 'heal'], fault: 'capacity' },
    async run(context) {
      const before = new Set((await context.list()).map(({ id }) => id))
      context.cloud.inject({ kind: 'capacity', on: 'increase', times: 1 })
      const { requested, error } = await launch(context, 2)
      if (requested < 2)
        ensure(
          error?.code === 'capacity',
          `${requested} of 2 were accepted; expected capacity for the rest, got ${error?.code ?? 'no error'}`,
        )
      await context.until(`${requested} instances that run or failed`, (rows) => {
        const fresh = rows.filter(({ id }) => !before.has(id))
        return fresh.length === requested && fresh.every(({ state }) => state === 'running' || state === 'failed')
      })
    },
  },
  {
    name: 'giveBack gives back what has not appeared, and no instance',
    needs: { instances: 2, cloud: ['inject', 'heal'], fault: 'capacity' },
    async run(context) {
      const { group, cloud, signal } = context
      if (group.giveBack === undefined) return context.skip('the group has no giveBack')
      await context.launch(1)
      const before = cloud.machines()
      cloud.inject({ kind: 'capacity', on: 'increase' })
      const { requested } = await launch(context, 1)
      await context.until(
        'the launch to fail',
        (rows) => requested === 0 || rows.some(({ state }) => state === 'failed'),
      )
      const left = await group.giveBack(signal)
      ensure(left === 0, `nothing is pending; expected 0 left, got ${left}`)
      // What failed as a machine is an instance, and goes as every other.
      const rows = await context.list()
      await context.remove(
        rows.flatMap(({ id, state }) => (state === 'failed' && cloud.machines().includes(id) ? [id] : [])),
      )
      const after = await context.list()
      ensure(
        after.every(({ state }) => state === 'running'),
        `what had not appeared was given back, but list shows ${shown(after)}`,
      )
      cloud.heal()
      await context.settle()
      const machines = cloud.machines()
      ensure(
        machines.join() === before.join(),
        `${requested} that had not appeared were given back; expected the instances ${before.join(', ')}, got ${machines.join(', ')}`,
      )
    },
  },
]

function failingLaunch(kind: CloudFaultKind, codes: readonly GroupErrorCode[]): ConformanceCase {
  return {
    name: `a launch that fails for ${kind} reports it and gives back what was requested`,
    needs: { instances: 2, cloud: ['inject', 'heal'], fault: kind },
    async run(context) {
      const { cloud } = context
      const known = new Set((await context.list()).map(({ id }) => id))
      const before = cloud.machines().length
      cloud.inject({ kind, on: 'increase' })
      const { requested, error } = await launch(context, 2)
      if (error !== undefined)
        ensure(codes.includes(error.code), `expected ${codes.join(' or ')}, got ${error.code}: ${error.message}`)
      else ensure(requested === 2, `${requested} of 2 were accepted, and no error said why not more`)
      const failed = await context.until(`${requested} launches to fail`, (rows) => {
        const fresh = rows.filter(({ id }) => !known.has(id))
        ensure(
          !fresh.some(({ state }) => state === 'running'),
          `the cloud answers ${kind}, and there is ${shown(fresh)}`,
        )
        return fresh.length === requested && fresh.every(({ state }) => state === 'failed') && fresh
      })
      const isUntold = context.info.untold?.includes('launch_errors') ?? false
      if (isUntold && failed.length > 0)
        context.note("the reason is not reported: the group's protocol cannot carry it")
      for (const row of isUntold ? [] : failed) {
        const code = row.error?.code ?? 'no error'
        ensure(
          codes.some((each) => each === code),
          `expected ${row.id}, which failed, to report ${codes.join(' or ')}, got ${code}`,
        )
      }
      context.note(requested === 0 ? 'refused at once' : `accepted, then ${shown(failed)}`)
      await context.remove(failed.map(({ id }) => id))
      cloud.heal()
      await context.settle()
      ensure(
        cloud.machines().length === before,
        `${failed.length} failed launches were removed, but came back: ${cloud.machines().join(', ')}`,
      )
      await context.launch(1)
      await context.settle()
      const { length } = cloud.machines()
      ensure(
        length === before + 1,
        `one was requested after the failed launch; expected ${before + 1} machines, got ${length}`,
      )
    },
  }
}

async function launch(
  context: ConformanceContext,
  count: number,
): Promise<{ readonly requested: number; readonly error?: GroupError }> {
  try {
    const { requested, errors = [] } = await context.group.increase(
      { count, launchToken: context.newToken() },
      context.signal,
    )
    return { requested, ...(errors.length > 0 && { error: asGroupError(errors[0]) }) }
  } catch (error) {
    return { requested: 0, error: asGroupError(error) }
  }
}
