import { type ConformanceCase, ensure } from './conformance-case.ts'

export const initCases: readonly ConformanceCase[] = [
  {
    name: 'init returns an identity, a maximum and a version',
    async run({ info, maxInstances }) {
      ensure(
        typeof info.id === 'string' && info.id.trim() !== '',
        `init: expected an id, got ${JSON.stringify(info.id)}`,
      )
      ensure(info.maxSize >= 1, `init: expected a maxSize of at least 1, got ${info.maxSize}`)
      ensure(
        info.maxSize >= maxInstances,
        `init: maxSize ${info.maxSize} is below the ${maxInstances} instances of this run`,
      )
      ensure(
        typeof info.version === 'string' && info.version !== '',
        `init: expected a version, got ${JSON.stringify(info.version)}`,
      )
    },
  },
  {
    name: 'init reports only complete capabilities, placements and findings',
    async run({ group, info }) {
      const methods = {
        heartbeat: ['heartbeat'],
        suspend_resume: ['suspend', 'resume'],
        interruption_notice: ['onInterruption'],
        launch_tokens: [],
      } as const
      for (const capability of info.capabilities ?? []) {
        const missing = (methods[capability] ?? [capability]).filter(
          (method) => typeof Object(group)[method] !== 'function',
        )
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
    name: 'init reports every fault of the set-up',
    needs: { cloud: ['misconfigurations'], tells: 'findings' },
    async run(context) {
      const wrong: string[] = []
      for (const [code, misconfigure] of context.cloud.misconfigurations) {
        if (context.info.findings?.some((finding) => finding.code === code))
          wrong.push(`${code} is reported while nothing is wrong`)
        const undo = misconfigure()
        const group = await context.makeGroup()
        try {
          const { findings = [] } = await group.init(context.signal)
          if (!findings.some((finding) => finding.code === code))
            wrong.push(
              `expected the finding ${code}, got ${findings.map((finding) => finding.code).join(', ') || 'none'}`,
            )
        } finally {
          undo()
          await group.shutdown()
        }
      }
      ensure(wrong.length === 0, wrong.join('; '))
    },
  },
]
