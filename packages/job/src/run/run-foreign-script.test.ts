import { spawn } from 'node:child_process'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { EnvironmentError, type JobEnvironment, type ScriptEnd, type ScriptRun } from '../job-environment.ts'
import { runForeignScript } from './run-foreign-script.ts'

const signal = new AbortController().signal

function environment(run: (run: ScriptRun) => Promise<ScriptEnd>): JobEnvironment {
  return { run } as JobEnvironment
}

/** A shell of this machine, which gets the script as `shellCommand` has it read. */
const shell = (name: 'bash' | 'sh'): JobEnvironment =>
  environment(({ script, stdout, stderr }) => {
    const child = spawn(name, ['-c', 's=$(cat) && eval "$s"'], { stdio: ['pipe', 'pipe', 'pipe'] })
    child.stdout.on('data', (chunk: Buffer) => void stdout(chunk))
    child.stderr.on('data', (chunk: Buffer) => void stderr(chunk))
    child.stdin.end(script)
    return new Promise((resolve) =>
      child.on('close', (code, by) => resolve(code === null ? { signal: by!.slice(3) } : { exitCode: code })),
    )
  })

async function run(place: JobEnvironment, script: string): Promise<{ status: number; output: string }> {
  const output: Buffer[] = []
  const status = await runForeignScript(place, { script, output: (chunk) => void output.push(chunk), signal })
  return { status, output: Buffer.concat(output).toString() }
}

test.each(['bash', 'sh'] as const)('%s: what it prints, in order, and how it ends', async (name) => {
  const place = shell(name)
  expect(await run(place, 'echo one; echo two >&2; printf three')).toEqual({ status: 0, output: 'one\ntwo\nthree' })
  expect(await run(place, 'exit 3')).toEqual({ status: 3, output: '' })
  expect(await run(place, 'set -e; (exit 7); echo never')).toEqual({ status: 7, output: '' })
  expect(await run(place, 'no-such-command 2>/dev/null')).toMatchObject({ status: 127 })
  expect(await run(place, 'cat; echo "$# [$1]"')).toEqual({ status: 0, output: '0 []\n' })
  expect(await run(place, "echo 'it'\\''s'")).toEqual({ status: 0, output: "it's\n" })
  expect(await run(place, 'if')).toMatchObject({ status: expect.toSatisfy((status: number) => status > 0) })
})

test('a script that ends the shell around it has failed, by its signal', async () => {
  expect((await run(shell('bash'), 'kill -9 $$')).status).toBe(137)
  expect((await run(shell('bash'), 'trap "exit 0" TERM; kill -TERM $BASHPID; sleep 5')).status).toBe(0)
})

test('a script cannot say how it ended: it does not know the word', async () => {
  expect((await run(shell('bash'), 'set; printf "%s" "$s$1"; exit 5')).status).toBe(5)
  const { output } = await run(shell('bash'), 'set; declare -f; trap -p')
  expect(output).not.toMatch(/end %s/)
})

test('a machine without the shell is at fault, not the script', async () => {
  const failure = run(
    environment(async () => ({ exitCode: 127 })),
    'true',
  )
  await expect(failure).rejects.toBeInstanceOf(EnvironmentError)
})

test('however its output is cut, it comes whole and in order, and the last word is not among it', () =>
  fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ maxLength: 200 }),
      fc.nat(255),
      fc.array(fc.nat(40), { maxLength: 30 }),
      fc.boolean(),
      async (bytes, status, cuts, isSlow) => {
        const place = environment(async ({ nonce, stdout, isComplete }) => {
          const whole = Buffer.concat([bytes, Buffer.from(`\x1e${nonce} end ${status}\x1e\x1e${nonce} unswept\x1e`)])
          let at = 0
          for (const length of [...cuts, whole.length]) {
            await stdout(whole.subarray(at, at + length))
            at = Math.min(whole.length, at + length)
          }
          expect(isComplete()).toBe(true)
          return { exitCode: 0 }
        })
        const output: Buffer[] = []
        const take = (chunk: Buffer): void | Promise<void> => {
          if (!isSlow) return void output.push(chunk)
          return Promise.resolve().then(() => void output.push(chunk))
        }
        expect(await runForeignScript(place, { script: 'true', output: take, signal })).toBe(status)
        expect(Buffer.concat(output).equals(Buffer.from(bytes))).toBe(true)
      },
    ),
  ))
