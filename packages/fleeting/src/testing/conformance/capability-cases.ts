import { asGroupError } from '../../contract/errors.ts'
import { type ConformanceCase, ensure } from './conformance-case.ts'

export const capabilityCases: readonly ConformanceCase[] = [
  {
    name: 'heartbeat succeeds for a running instance and fails for one that is gone',
    needs: { instances: 1, capability: 'heartbeat' },
    async run(context) {
      const [id] = await context.launch(1)
      await context.group.heartbeat!(id!, context.signal)
      await context.remove([id!])
      const code = await context.group.heartbeat!(id!, context.signal).then(
        () => 'no error',
        (error: unknown) => asGroupError(error).code,
      )
      ensure(code === 'not_found', `expected not_found for ${id}, which is gone, got ${code}`)
    },
  },
  {
    name: 'suspend and resume, each twice',
    needs: { instances: 1, capability: 'suspend_resume' },
    async run(context) {
      const ids = await context.launch(1)
      for (const [method, state] of [
        ['suspend', 'suspended'],
        ['resume', 'running'],
      ] as const) {
        for (const time of ['first', 'second']) {
          const { accepted } = await context.group[method]!(ids, context.signal)
          ensure(accepted.includes(ids[0]!), `the ${time} ${method} of ${ids[0]} was not accepted`)
          await context.until(`${ids[0]} to be ${state}`, (rows) =>
            rows.some((row) => row.id === ids[0] && row.state === state),
          )
        }
      }
    },
  },
  {
    name: 'a listener for interruption notices can be added and removed',
    needs: { capability: 'interruption_notice' },
    async run({ group }) {
      const stop = group.onInterruption!(() => {})
      stop()
    },
  },
]
