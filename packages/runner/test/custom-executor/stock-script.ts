/**
 * Bash as GitLab Runner generates it for a stage: all commands in one evaluated word. `evaluation`: `subshell` of a
 * current one, `pipeline` of 14.7.
 */
export function stockScript(lines: readonly string[], evaluation: 'subshell' | 'pipeline' = 'subshell'): string {
  const body = ansiQuote(lines.map((line) => `${line}\n`).join(''))
  const onTerm = evaluation === 'pipeline' ? 'trap exit 1 TERM' : "trap 'exit 1' TERM"
  const pipefail =
    evaluation === 'pipeline'
      ? 'if set -o | grep pipefail > /dev/null; then set -o pipefail; fi; set -o errexit'
      : 'case "$(set -o)" in *"pipefail"*) set -o pipefail;; esac; set -o errexit'
  return `#!/usr/bin/env bash

${onTerm}

${pipefail}
set +o noclobber
${evaluation === 'pipeline' ? `: | eval ${body}` : `(${onTerm}; eval ${body}) < /dev/null`}
exit 0
`
}

/** A command of the job, shown before it runs. */
export function shown(command: string): readonly string[] {
  return [`echo ${ansiQuote(`\x1b[32;1m$ ${command}\x1b[0;m`)}`, command]
}

/** `helpers.ShellEscape`: `$'…'` with backslash escapes. */
export function ansiQuote(text: string): string {
  const escapes: Record<string, string> = {
    "'": "\\'",
    '\\': '\\\\',
    '\n': '\\n',
    '\r': '\\r',
    '\t': '\\t',
    '\x1b': '\\x1b',
  }
  return `$'${text.replace(/['\\\n\r\t\x1b]/g, (character) => escapes[character] as string)}'`
}
