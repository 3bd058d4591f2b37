import type { ShellName } from '../job-environment.ts'

const echoStart = '\x1b[32;1m$ '
const echoEnd = '\x1b[0;m'

/**
 * The lines of a step as a shell runs them: each is shown before it runs, as it was written. What takes several lines
 * is shown by its first; with `sections`, whole, in a section of the log that is folded (`FF_SCRIPT_SECTIONS`). Shell
 * text: to be quoted for `eval`.
 */
export function stepScript(
  lines: readonly string[],
  quoteWord: (text: string) => string,
  sections?: ShellName,
): string {
  return lines
    .map((line, index) => ({ line: line.trim(), index }))
    .filter(({ line }) => line !== '')
    .map(({ line, index }) => {
      const [first, ...rest] = line.split('\n') as [string, ...string[]]
      const show = (shown: string): string => quoteWord(`${echoStart}${shown}${echoEnd}`)
      if (rest.length > 0 && sections !== undefined) return `${foldedCommand(show(line), index, sections)}\n${line}\n`
      return `printf '%s\\n' ${show(rest.length === 0 ? line : `${first} # collapsed multi-line command`)}\n${line}\n`
    })
    .join('')
}

/**
 * Shows a command in a section that ends before it runs. No time is to be seen, but GitLab wants one; a bash tells it
 * without a process.
 */
function foldedCommand(shown: string, index: number, shell: ShellName): string {
  const [format, word] = shell === 'bash' ? ['%(%s)T', '-1'] : ['%s', '"$(date +%s)"']
  const name = `section_script_step_${index}`
  return [
    `printf 'section_start:${format}:${name}[hide_duration=true,collapsed=true]\\r\\033[0K%s\\n' ${word} ${shown}`,
    `printf 'section_end:${format}:${name}\\r\\033[0K\\n' ${word}`,
  ].join('; ')
}

/** Makes the shell end at the first command that fails, as GitLab's scripts do. */
export function failFast(shell: ShellName): string {
  // `command` keeps a shell that does not know the option from ending.
  return shell === 'bash' ? 'set -eo pipefail' : 'command set -o pipefail 2>/dev/null; set -e'
}
