import { spawnSync } from 'node:child_process'
import type { Exchange } from '@runner-core/cloud-fakes'

/** The program around Microsoft's generated server and client. Undefined: it is not built. */
export const validator: string | undefined = process.env['CLOUDS_AZURE_VALIDATOR']

/** For the name of a test that needs it; empty where it is there. */
export const validatorMissing: string =
  validator === undefined
    ? " (SKIPPED: CLOUDS_AZURE_VALIDATOR is not set, the program around Microsoft's generated server)"
    : ''

/** Something to be held against Microsoft's generated code. */
export type Evidence = Exchange | { readonly model: string; readonly value: unknown }

export interface Verdict {
  readonly checked: number
  /** How often each was seen. */
  readonly operations: Readonly<Record<string, number>>
  readonly problems: readonly string[]
}

/**
 * What Microsoft's code says, of exchanges in the order of their answers. What the authority is asked is nobody's
 * specification. Thrown: when the validator does not work.
 */
export function validate(evidence: readonly Evidence[]): Verdict {
  const lines = evidence.flatMap((entry) =>
    'model' in entry ? [entry] : entry.operation.startsWith('Authority_') ? [] : [lineOf(entry)],
  )
  const input = lines.map((line) => `${JSON.stringify(line)}\n`).join('')
  const { status, stdout, stderr } = spawnSync(validator!, { input, encoding: 'utf8', maxBuffer: 2 ** 28 })
  if (status !== 0) throw new Error(`the validator failed: ${stderr}`)
  const verdict = JSON.parse(stdout) as Verdict
  if (verdict.checked !== lines.length) throw new Error(`of ${lines.length} the validator checked ${verdict.checked}`)
  return verdict
}

function lineOf({ operation, request, answer }: Exchange): object {
  return {
    operation,
    method: request.method,
    url: request.url.href,
    requestHeaders: Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value)])),
    requestBody: request.body,
    status: answer.status,
    answerHeaders: answer.headers,
    answerBody: answer.body,
  }
}
