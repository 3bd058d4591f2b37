import { delay, systemClock, systemRandom } from '../../contract/clock.ts'
import { asGroupError } from '../../contract/errors.ts'
import type { GroupInfo, InstanceGroup, ListedInstance } from '../../contract/instance-group.ts'
import { parseList } from '../../provisioner/instances/parse-list.ts'
import type { CloudControls } from './cloud-controls.ts'
import { type ConformanceContext, ensure, NotApplicable, shown } from './conformance-case.ts'
import type { ConformanceSettings, MakeGroup } from './conformance-options.ts'
import type { LongWaits } from './long-waits.ts'

interface ContextParts {
  readonly group: InstanceGroup
  readonly makeGroup: MakeGroup
  readonly info: GroupInfo
  readonly cloud: CloudControls | undefined
  readonly settings: ConformanceSettings
  readonly waits: LongWaits
  readonly signal: AbortSignal
  /** Takes the case's notes. */
  readonly notes: string[]
}

/** What one case works with. */
export function conformanceContext(parts: ContextParts): ConformanceContext {
  const { makeGroup, info, cloud, settings, waits, signal, notes } = parts
  const { maxInstances, machinesOutliveInstances, patienceMs, pollMs, clock, connect } = settings
  const group = waits.watching(parts.group)
  /** As the provisioner does: what is told as a conflict is asked again, for nothing has been done. */
  const settled = async <T>(call: string, act: () => Promise<T>): Promise<T> => {
    const endAt = systemClock.now() + patienceMs
    for (;;) {
      try {
        return await act()
      } catch (error) {
        if (asGroupError(error).code !== 'conflict' || systemClock.now() >= endAt) throw error
        notes.push(`${call} met a conflict and was retried`)
        await context.pause(pollMs)
      }
    }
  }
  const context: ConformanceContext = {
    group,
    cloud: cloud as Required<CloudControls>,
    info,
    maxInstances,
    machinesOutliveInstances,
    signal,
    clock,
    async pass(ms) {
      const passTime = cloud?.passTime?.bind(cloud)
      if (passTime === undefined && ms > patienceMs) return false
      await (passTime === undefined ? context.pause(ms) : passTime(ms))
      return true
    },
    makeGroup: async () => makeGroup(),
    skip(reason) {
      throw new NotApplicable(reason)
    },
    note: (text) => void notes.push(text),
    pause: (ms) => delay(systemClock, ms, signal),
    newToken: () => `conformance${Math.floor(systemRandom() * 2 ** 52).toString(36)}`,
    async list() {
      const rows = parseList(await group.list(signal))
      ensure(new Set(rows.map(({ id }) => id)).size === rows.length, `list shows an id twice: ${shown(rows)}`)
      return rows
    },
    until(what, found) {
      let rows: readonly ListedInstance[] = []
      const waitsFor = (): string => `${what}; list shows ${shown(rows)}${unlisted(rows, cloud)}`
      return waits.during(waitsFor, async () => {
        const endAt = systemClock.now() + patienceMs
        for (;;) {
          rows = await context.list()
          const answer = found(rows)
          if (answer !== undefined && answer !== false) return answer
          ensure(systemClock.now() < endAt, `waited ${patienceMs} ms for ${waitsFor()}`)
          await context.pause(pollMs)
        }
      })
    },
    async settle() {
      let rows: readonly ListedInstance[] = []
      for (let reads = 0; reads < 3; reads += 1) {
        await context.pause(pollMs)
        rows = await context.list()
      }
      return rows
    },
    async increase(count, launchToken = context.newToken()) {
      const result = await settled('increase', () => group.increase({ count, launchToken }, signal))
      const errors = (result.errors ?? []).map(({ message }) => message).join('; ')
      ensure(
        result.requested === count,
        `${count} were requested, ${result.requested} accepted: ${errors || 'no error was reported'}`,
      )
      return result
    },
    async launch(count) {
      const before = new Set((await context.list()).map(({ id }) => id))
      const { ids } = await context.increase(count)
      return context.until(`${count} new instances to run`, (rows) => {
        const fresh = rows.filter((row) => (ids === undefined ? !before.has(row.id) : ids.includes(row.id)))
        const failed = fresh.find(({ state }) => state === 'failed')
        ensure(failed === undefined, `${failed?.id} failed: ${failed?.detail ?? 'the group does not say why'}`)
        return fresh.length === count && fresh.every(({ state }) => state === 'running') && fresh.map(({ id }) => id)
      })
    },
    async remove(ids) {
      const { accepted, errors = [] } = await settled('decrease', () => group.decrease(ids, signal))
      const refused = ids.filter((id) => !accepted.includes(id))
      ensure(
        refused.length === 0,
        `${refused.join(', ')} was not accepted: ${errors.map(({ message }) => message).join('; ') || 'no error was reported'}`,
      )
      await context.until(
        `${ids.join(', ')} to be gone`,
        (rows) => !rows.some((row) => ids.includes(row.id) && row.state !== 'deleted'),
      )
    },
    async connect(id) {
      return group.connect?.(id, signal) ?? connect(await group.connectInfo(id, signal), signal)
    },
  }
  return context
}

/** What tells a forgotten page from a machine that has not come. */
function unlisted(rows: readonly ListedInstance[], cloud: CloudControls | undefined): string {
  const missing = cloud?.machines?.().filter((id) => !rows.some((row) => row.id === id)) ?? []
  return missing.length === 0 ? '' : `, and not ${missing.join(', ')}, which the cloud has too`
}
