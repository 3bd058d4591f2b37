import { loginDirectory } from '../build-paths.ts'
import type { ResolvedVariable } from './job-variables.ts'

/**
 * Linux gives a program no string above 128 KiB in its environment (`MAX_ARG_STRLEN`): every command of a script would
 * fail with "Argument list too long". One page is left for the name, and for the path that stands for the login's
 * directory.
 */
const maxExportedBytes: number = 124 * 1024

/**
 * All strings together may take a quarter of the stack's limit, usually 2 MiB, arguments included: half of it is left
 * for these.
 */
const maxExportedTotalBytes: number = 1024 * 1024

/** What becomes of a job's variables in its shell. */
export interface ShellVariables {
  readonly exported: readonly ResolvedVariable[]
  /** Seen by the script's own lines only, not by the programs it starts: too large for an environment. */
  readonly shellOnly: readonly ResolvedVariable[]
  readonly files: readonly ResolvedVariable[]
  /** For the trace: what was not done as asked, and why. */
  readonly warnings: readonly string[]
}

const namePattern = /^[A-Za-z_][A-Za-z0-9_]*$/

/**
 * Read-only in bash, or numbers to it or to dash: assigning a value to one of these ends the statement that does it, or
 * the shell. `sh` may be either.
 */
const untouchable: ReadonlySet<string> = new Set([
  'BASHOPTS',
  'BASH_VERSINFO',
  'EUID',
  'HISTCMD',
  'OPTIND',
  'PPID',
  'SHELLOPTS',
  'SRANDOM',
  'UID',
])

/** Decides which variables are exported, which stay in the shell, and which a shell cannot have at all. */
export function shellVariables(variables: Iterable<ResolvedVariable>): ShellVariables {
  const exported: ResolvedVariable[] = []
  const shellOnly: ResolvedVariable[] = []
  const files: ResolvedVariable[] = []
  const warnings: string[] = []
  let totalBytes = 0
  // The smallest first: one huge variable must not push out all others.
  const bySize = [...variables]
    .map((variable) => ({ variable, bytes: exportedBytes(variable) }))
    .sort((a, b) => a.bytes - b.bytes)
  for (const { variable, bytes } of bySize) {
    if (!namePattern.test(variable.key)) {
      warnings.push(`variable ${JSON.stringify(variable.key)} is ignored: its name is not valid in a shell`)
      continue
    }
    if (untouchable.has(variable.key)) {
      warnings.push(`variable ${variable.key} is ignored: shells use that name themselves`)
      continue
    }
    if (variable.file) files.push(variable)
    if (bytes <= maxExportedBytes && totalBytes + bytes <= maxExportedTotalBytes) {
      totalBytes += bytes
      exported.push(variable)
      continue
    }
    shellOnly.push(variable)
    warnings.push(
      `variable ${variable.key} (${bytes} bytes) is too large for the environment of programs: the script's own lines see it, the programs they start do not. A variable of type file has no such limit`,
    )
  }
  return { exported, shellOnly, files, warnings }
}

/** Bytes of `KEY=value` with its terminator. Of a file variable only the path counts, which always fits. */
function exportedBytes({ key, value, file }: ResolvedVariable): number {
  if (file) return 0
  return Buffer.byteLength(key) + Buffer.byteLength(value.replaceAll(loginDirectory, '')) + 2
}
