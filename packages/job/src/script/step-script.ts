import type { ShellName } from '../job-environment.ts'

const echoStart = '\x1b[32;1m$ '
const echoEnd = '\x1b[0;m'

/**
 * The lines of a step as a shell runs them: each is shown before it runs, as it was written. What takes several lines is shown by its first.
 * Shell text: to be quoted for `eval`.
 */
export function stepScript(lines: readonly string[], quoteWord: (text: string) => string): string {
  return lines
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .map((line) => {
      const [first, ...rest] = line.split('\n') as [string, ...string[]]
      const shown = rest.length === 0 ? line : `${first} # collapsed multi-line command`
      return `printf '%s\\n' ${quoteWord(`${echoStart}${shown}${echoEnd}`)}\n${line}\n`
    })
    .join('')
}

/** Makes the shell end at the first command that fails, as GitLab's scripts do. */
export function failFast(shell: ShellName): string {
  // `command` keeps a shell that does not know the option from ending.
  return shell === 'bash' ? 'set -eo pipefail' : 'command set -o pipefail 2>/dev/null; set -e'
}
