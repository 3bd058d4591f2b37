import { loginDirectory } from '../build-paths.ts'
import type { ResolvedVariable } from './job-variables.ts'

/**
 * Linux allows no string above 128 KiB in the environment of a program (`MAX_ARG_STRLEN`): with a longer one every
 * command of a script would fail with "Argument list too long". One page is left for the name and for the path that
 * replaces the placeholder of the login's directory.
 */
const maxExportedBytes = 124 * 1024

/**
 * Arguments and environment together may take a quarter of the stack's limit, usually 2 MiB. Half of that is left for
 * the arguments.
 */
const maxExportedTotalBytes = 1024 * 1024

/** How a job's variables reach its shell. */
export interface ShellVariables {
  readonly exported: readonly ResolvedVariable[]
  /** Seen by the script's own lines only, not by the programs it starts: too large for an environment. */
  readonly shellOnly: readonly ResolvedVariable[]
  readonly files: readonly ResolvedVariable[]
  /** Lines for the trace: which variables are not set as requested, and why. */
  readonly warnings: readonly string[]
}

const namePattern = /^[A-Za-z_][A-Za-z0-9_]*$/

/**
 * Variables that are read-only or numeric in bash or dash (`sh` may be either): assigning to one ends the statement or
 * the shell.
 */
const reservedNames: ReadonlySet<string> = new Set([
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

/** Decides which variables are exported, which stay in the shell, and which are ignored. */
export function shellVariables(variables: Iterable<ResolvedVariable>): ShellVariables {
  const exported: ResolvedVariable[] = []
  const shellOnly: ResolvedVariable[] = []
  const files: ResolvedVariable[] = []
  const warnings: string[] = []
  let totalBytes = 0
  // Smallest first, so that one huge variable does not displace all others.
  const bySize = [...variables]
    .map((variable) => ({ variable, bytes: exportedBytes(variable) }))
    .sort((a, b) => a.bytes - b.bytes)
  for (const { variable, bytes } of bySize) {
    if (!namePattern.test(variable.key)) {
      warnings.push(`variable ${JSON.stringify(variable.key)} is ignored: its name is not valid in a shell`)
      continue
    }
    if (reservedNames.has(variable.key)) {
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

/** Size of `KEY=value` with its terminator, bytes. 0 for a file variable, whose path always fits. */
function exportedBytes({ key, value, file }: ResolvedVariable): number {
  if (file) return 0
  return Buffer.byteLength(key) + Buffer.byteLength(value.replaceAll(loginDirectory, '')) + 2
}
