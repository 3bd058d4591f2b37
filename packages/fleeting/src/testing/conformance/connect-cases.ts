import { asGroupError, isConnectionError } from '../../contract/errors.ts'
import { type ConformanceCase, type ConformanceContext, ensure } from './conformance-case.ts'

export const connectCases: readonly ConformanceCase[] = [
  {
    name: 'connectInfo of a running instance is complete',
    needs: { instances: 1 },
    async run(context) {
      const [id] = await context.launch(1)
      if (context.group.connect !== undefined) return
      const info = await context.group.connectInfo(id!, context.signal)
      ensure(info.instanceId === id, `expected the instanceId ${id}, got ${info.instanceId}`)
      ensure(info.username !== '', 'expected a user name')
      ensure(Boolean(info.internalAddress ?? info.externalAddress), 'expected an internal or an external address')
      ensure(Boolean(info.privateKey ?? info.password ?? info.agentSocket), 'expected a key, a password or an agent')
    },
  },
  {
    name: 'connectInfo of an instance that does not exist fails with not_found, whether or not it ever existed',
    needs: { instances: 1 },
    async run(context) {
      const [id] = await context.launch(1)
      await context.remove([id!])
      for (const missing of [id!, `${id}-never`]) {
        const code = await failureOf(context.group.connectInfo(missing, context.signal))
        ensure(code === 'not_found', `expected not_found for ${missing}, got ${code}`)
      }
    },
  },
  {
    name: 'connectInfo of an instance that is being created succeeds or fails with not_ready',
    needs: { instances: 1 },
    async run(context) {
      const before = new Set((await context.list()).map(({ id }) => id))
      await context.increase(1)
      const id = await context.until('a new instance', (rows) => rows.find((row) => !before.has(row.id))?.id)
      const code = await failureOf(context.group.connectInfo(id, context.signal))
      ensure(code === undefined || code === 'not_ready', `expected a result or not_ready for ${id}, got ${code}`)
    },
  },
  {
    name: 'credentials that expire are renewed',
    needs: { instances: 1 },
    async run(context) {
      const { clock, group, signal } = context
      const [id] = await context.launch(1)
      const { expiresAt } = await group.connectInfo(id!, signal)
      if (expiresAt === undefined) return context.skip('the credentials do not expire')
      const left = expiresAt - clock.wallTime()
      ensure(left > 0, `the credentials of ${id} have expired ${-left} ms before they were given`)
      if (!(await context.pass(left + 1)))
        context.skip(`the credentials last ${left} ms, and the clock cannot be set forward`)
      const renewed = await group.connectInfo(id!, signal)
      const now = clock.wallTime()
      ensure(
        renewed.expiresAt !== undefined && renewed.expiresAt > now,
        `the credentials had expired, and those given ${now - (renewed.expiresAt ?? 0)} ms later too`,
      )
    },
  },
  {
    name: 'commands run and return their output and exit code',
    needs: { instances: 1 },
    async run(context) {
      const [id] = await context.launch(1)
      const connection = await context.connect(id!)
      try {
        const echo = await outcomeOf(connection, "echo 'hello world'")
        ensure(
          echo.stdout === 'hello world\n' && echo.code === 0,
          `expected "hello world\\n" and exit code 0, got ${JSON.stringify(echo)}`,
        )
        ensure(echo.stderr === '', `expected nothing on stderr, got ${JSON.stringify(echo.stderr)}`)
        const exit = await outcomeOf(connection, 'exit 7')
        ensure(exit.code === 7, `expected exit code 7, got ${JSON.stringify(exit)}`)
      } finally {
        await connection.close()
      }
    },
  },
  {
    name: 'a removed instance can no longer be reached',
    needs: { instances: 1 },
    async run(context) {
      const [id] = await context.launch(1)
      const connection = await context.connect(id!)
      let ended = false
      connection.onEnd(() => {
        ended = true
      })
      await context.remove([id!])
      if (context.machinesOutliveInstances) await connection.close()
      else await context.until('the open connection to end', () => ended)
      const code = await failureOf(
        context.group.connect?.(id!, context.signal) ?? context.group.connectInfo(id!, context.signal),
      )
      ensure(code !== undefined, `${id} is gone, but can still be connected to`)
    },
  },
]

/** The code with which a promise failed; undefined when it did not. */
async function failureOf(promise: Promise<unknown>): Promise<string | undefined> {
  try {
    await promise
    return undefined
  } catch (error) {
    return isConnectionError(error) ? error.code : asGroupError(error).code
  }
}

interface Outcome {
  readonly stdout: string
  readonly stderr: string
  readonly code: number | string
}

async function outcomeOf(
  connection: Awaited<ReturnType<ConformanceContext['connect']>>,
  command: string,
): Promise<Outcome> {
  const output = { stdout: '', stderr: '' }
  const execution = await connection.exec(command, {
    stdout: (chunk) => {
      output.stdout += chunk.toString()
    },
    stderr: (chunk) => {
      output.stderr += chunk.toString()
    },
  })
  const status = await execution.closed
  return { ...output, code: 'code' in status ? status.code : status.signal }
}
