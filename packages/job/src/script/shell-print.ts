/**
 * What tells a login shell that is as good as the clean one that would be started from it. A bash that reads no
 * start-up file says of itself, before it does anything else, of which version it is, and its options and the names of
 * its variables; a login's bash that would say the same was left by its start-up files as it was, but for what is in
 * the environment, which both have. Traps are removed by `shellCommand`.
 *
 * @module
 */

const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'.split('')

/** A word of a bash script: what the shell says of itself. Where `IFS` is another one, so are the names. */
function ownPrint(first: readonly string[]): string {
  return `"$-,$BASH_VERSION,$SHELLOPTS,$BASHOPTS,${first.map((letter) => `\${!${letter}*}`).join(',')}"`
}

/** What a bash says of itself that was started anew: its print, after the login's shell. */
export const toldPrint: string = `"$SHELL "${ownPrint(letters)}`

/**
 * A command that succeeds in a bash that says this of itself and has no function. To list the names that begin with a
 * letter costs as much as to start a small script, so only letters that names begin with are asked
 * for one by one, and one command looks that no name begins with another.
 */
export function hasPrint(print: string): string {
  const groups = print.split(',')
  const names = groups.slice(-letters.length)
  const options = groups.slice(0, -letters.length)
  const isWhole = groups.length === letters.length + 4
  const used = letters.filter((_, index) => !isWhole || names[index] !== '')
  const expected = isWhole ? [...options, ...names.filter((group) => group !== '')].join(',') : print
  const others = isWhole ? ` || compgen -v -X '[${used.join('')}_]*'` : ''
  return `[ ${ownPrint(used)} = '${expected}' ] && { compgen -A function${others}; [ $? = 1 ]; } >/dev/null`
}

/**
 * What {@link hasPrint} is to look for, where the login's shell is a bash too, and one that knows all that it is
 * asked. Safe within single quotes.
 */
export function loginShellPrint(told: string): string | undefined {
  const [, print] = /^\/[A-Za-z0-9_./-]*\/bash ([A-Za-z0-9_.,:()+ -]{1,8000})$/.exec(told) ?? []
  return print?.includes('progcomp') ? print : undefined
}
