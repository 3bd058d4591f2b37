import { spawn } from 'node:child_process'
import { type Clock, deadline } from '@runner-core/fleeting'
import type { RegistryCredentials } from './auth-config.ts'

/**
 * - `invalid_name`: the name is not one of a program.
 * - `missing`: there is no such program on `PATH`.
 * - `timed_out`: it did not end in time.
 * - `failed`: it failed, or its output is not what the protocol asks for.
 */
export type CredentialHelperErrorCode = 'invalid_name' | 'missing' | 'timed_out' | 'failed'

/** Thrown when a credential helper gives no answer. The message contains no secret. */
export class CredentialHelperError extends Error {
  override readonly name = 'CredentialHelperError'
  readonly code: CredentialHelperErrorCode

  constructor(code: CredentialHelperErrorCode, message: string, options: { readonly cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
  }
}

export interface CredentialHelperOptions {
  /** The part of the program's name after `docker-credential-`. */
  readonly helper: string
  readonly address: string
  /** `PATH` is where the program is looked for. It gets all of them. */
  readonly environment: NodeJS.ProcessEnv
  readonly clock: Clock
  readonly signal: AbortSignal
  /** Milliseconds. @defaultValue 30,000: helpers ask a cloud for a token. */
  readonly limitMs?: number
}

/** Docker's protocol has no bound. Tokens are a few thousand bytes. */
const maxOutputBytes = 64 * 1024
/** Of what a helper says about its failure. */
const longestWords = 200

/**
 * Asks a credential helper on this computer by Docker's protocol: `docker-credential-NAME get`, without a shell.
 * Undefined when it has no credentials for the address. The program and all its children have ended afterwards. Thrown:
 * {@link CredentialHelperError}; the signal's reason.
 */
export async function askCredentialHelper({
  helper,
  address,
  environment,
  clock,
  signal,
  limitMs = 30_000,
}: CredentialHelperOptions): Promise<RegistryCredentials | undefined> {
  // A job may choose the name: no path, no option.
  if (!/^[A-Za-z0-9][\w.-]{0,63}$/.test(helper))
    throw new CredentialHelperError('invalid_name', `${JSON.stringify(helper.slice(0, 64))} is not a credential helper`)
  signal.throwIfAborted()
  const program = `docker-credential-${helper}`
  const late = (): Error => new CredentialHelperError('timed_out', `${program} did not end within ${limitMs / 1000} s`)
  using limit = deadline(clock, limitMs, late, signal)
  const { exitCode, output, isCut } = await run(program, address, environment, limit.signal)
  limit.signal.throwIfAborted()
  if (isCut)
    throw new CredentialHelperError('failed', `the output of ${program} is longer than ${maxOutputBytes} bytes`)
  if (exitCode !== 0) {
    if (/credentials not found/i.test(output)) return undefined
    throw new CredentialHelperError(
      'failed',
      `${program} failed${exitCode === null ? '' : ` with exit code ${exitCode}`}${said(output)}`,
    )
  }
  const answer = parse(output)
  if (answer === undefined)
    throw new CredentialHelperError('failed', `the output of ${program} is not what the protocol asks for`)
  const { Username: username, Secret: secret } = answer
  if (secret === '') return undefined
  return username === '<token>' ? { identitytoken: secret } : { username, password: secret }
}

interface HelperEnd {
  /** Null: it was killed by a signal. */
  readonly exitCode: number | null
  readonly output: string
  readonly isCut: boolean
}

function run(program: string, input: string, env: NodeJS.ProcessEnv, signal: AbortSignal): Promise<HelperEnd> {
  return new Promise((resolve, reject) => {
    // A group of its own: what it starts ends with it.
    const child = spawn(program, ['get'], { env, stdio: ['pipe', 'pipe', 'ignore'], detached: true })
    const killGroup = (): void => {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
      } catch {
        // All have ended.
      }
    }
    const chunks: Buffer[] = []
    let [bytes, isCut] = [0, false]
    child.stdout.on('data', (chunk: Buffer) => {
      bytes += chunk.length
      if (bytes <= maxOutputBytes) chunks.push(chunk)
      else if (!isCut) {
        isCut = true
        killGroup()
      }
    })
    signal.addEventListener('abort', killGroup, { once: true })
    child.on('error', (cause: NodeJS.ErrnoException) => {
      signal.removeEventListener('abort', killGroup)
      const why = cause.code === 'ENOENT' ? 'is not on PATH' : `cannot be started (${cause.code})`
      reject(new CredentialHelperError(cause.code === 'ENOENT' ? 'missing' : 'failed', `${program} ${why}`, { cause }))
    })
    child.on('exit', killGroup)
    child.on('close', (exitCode) => {
      signal.removeEventListener('abort', killGroup)
      resolve({ exitCode, output: Buffer.concat(chunks).toString(), isCut })
    })
    // It may end without reading.
    child.stdin.on('error', () => {})
    child.stdin.end(input)
  })
}

function parse(output: string): { readonly Username: string; readonly Secret: string } | undefined {
  try {
    const value = JSON.parse(output) as { readonly Username?: unknown; readonly Secret?: unknown } | null
    const { Username = '', Secret = '' } = value ?? {}
    return typeof Username === 'string' && typeof Secret === 'string' ? { Username, Secret } : undefined
  } catch {
    return undefined
  }
}

/** A failed helper prints why. What looks like an answer is left out: it may hold a secret. */
function said(output: string): string {
  const [line = ''] = output.trim().split('\n', 1)
  if (line === '' || line.includes('"')) return ''
  return `: ${line.replace(/[\x00-\x1f\x7f-\x9f]/g, ' ').slice(0, longestWords)}`
}
