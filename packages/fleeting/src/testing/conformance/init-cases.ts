import { type ConformanceCase, ensure, shown } from './conformance-case.ts'

export const initCases: readonly ConformanceCase[] = [
  {
    name: 'init tells an identity, a maximum and a version',
    async run({ info, maxInstances }) {
      ensure(typeof info.id === 'string' && info.id.trim() !== '', `init: expected an id, got ${JSON.stringify(info.id)}`)
      ensure(info.maxSize >= 1, `init: expected a maxSize of at least 1, got ${info.maxSize}`)
      ensure(info.maxSize >= maxInstances, `init: maxSize ${info.maxSize} is below the ${maxInstances} instances of this run`)
      ensure(typeof info.version === 'string' && info.version !== '', `init: expected a version, got ${JSON.stringify(info.version)}`)
    },
  },
  {
    name: 'init names only capabilities, placements and findings that are complete',
    async run({ group, info }) {
      const methods = { heartbeat: ['heartbeat'], suspend_resume: ['suspend', 'resume'], interruption_notice: ['onInterruption'] } as const
      for (const capability of info.capabilities ?? []) {
        const missing = (methods[capability] ?? [capability]).filter((method) => typeof Object(group)[method] !== 'function')
        ensure(missing.length === 0, `the capability ${capability} needs the method ${missing.join(', ')}`)
      }
      const placements = info.placements ?? []
      ensure(
        new Set(placements).size === placements.length && !placements.includes(''),
        `placements must be unique names, got ${placements.join(', ')}`,
      )
      for (const finding of info.findings ?? []) {
        ensure(/^[a-z0-9_]+$/.test(finding.code), `finding: expected a code in snake case, got ${finding.code}`)
        ensure(finding.message !== '' && finding.fix !== '', `finding ${finding.code}: expected a message and a fix`)
      }
    },
  },
  {
    name: 'list answers the same while nothing happens',
    async run(context) {
      const first = await context.list()
      const second = await context.list()
      ensure(shown(sorted(first)) === shown(sorted(second)), `expected ${shown(first)} again, got ${shown(second)}`)
    },
  },
]

function sorted<T extends { readonly id: string }>(rows: readonly T[]): readonly T[] {
  return rows.toSorted((a, b) => a.id.localeCompare(b.id))
}
