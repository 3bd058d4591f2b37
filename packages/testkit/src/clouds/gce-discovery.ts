import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Exchange } from '@runner-core/cloud-fakes'

/** A Python that has google-api-python-client, which carries Google's discovery document. Undefined: there is none. */
export const python: string | undefined = process.env['CLOUDS_PYTHON']

export const pythonMissing = 'skipped: CLOUDS_PYTHON names no Python with google-api-python-client'

/** Something to be held against the discovery document. */
export type Evidence =
  | {
      readonly method: string
      readonly url: string
      readonly requestBody?: string
      readonly status: number
      readonly responseBody: string
    }
  /** A request's body, by its schema in compute.v1, or in another API: `iam.v1 Role`. */
  | { readonly schema: string; readonly value: unknown }

export interface Verdict {
  readonly problems: readonly string[]
  /** How often each method was seen. */
  readonly operations: Readonly<Record<string, number>>
}

/** What the discovery document says. Thrown: when the validator does not work. */
export function validate(evidence: readonly Evidence[]): Verdict {
  const script = fileURLToPath(new URL('../../validators/gce_discovery.py', import.meta.url))
  const input = evidence.map((entry) => `${JSON.stringify(entry)}\n`).join('')
  const { status, stdout, stderr } = spawnSync(python!, [script], {
    input,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  })
  if (status !== 0) throw new Error(`the validator failed: ${stderr}`)
  const lines = stdout
    .trimEnd()
    .split('\n')
    .map(
      (line) =>
        JSON.parse(line) as { problem?: string; line?: number; checked?: number; operations?: Record<string, number> },
    )
  const { checked, operations = {} } = lines.pop()!
  if (checked !== evidence.length) throw new Error(`of ${evidence.length} the validator checked ${checked}`)
  return { problems: lines.map(({ line, problem }) => `${line}: ${problem}`), operations }
}

/** A fake's exchange; undefined for what is not Compute Engine's, as tokens. */
export function evidenceOf({ request, answer }: Exchange): Evidence | undefined {
  if (!request.url.pathname.startsWith('/compute/')) return undefined
  return {
    method: request.method,
    url: request.url.href,
    requestBody: request.body,
    status: answer.status,
    responseBody: answer.body,
  }
}
