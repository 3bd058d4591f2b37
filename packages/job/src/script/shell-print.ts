/**
 * What tells a login shell that is as good as the clean one that would be started from it. A bash that reads no start-up file says of itself, before it does
 * anything else, of which version it is, and its options and the names of its variables; a login's bash that would say the same was left by its start-up files as it was, but for what is in the environment, which both have.
 * Functions and traps are looked after by `shellCommand`.
 *
 * @module
 */

const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'.split('')

/** A word of a bash script. Where `IFS` is another one, so are the names. */
export const ownPrint: string = `"$-,$BASH_VERSION,$SHELLOPTS,$BASHOPTS,${letters.map((letter) => `\${!${letter}*}`).join(',')}"`

/** What a bash says of itself that was started anew: its print, after the login's shell. */
export const toldPrint: string = `"$SHELL "${ownPrint}`

/** What is to be compared with {@link ownPrint}, where the login's shell is a bash too, and one that knows all that it is asked. Safe within single quotes. */
export function loginShellPrint(told: string): string | undefined {
  const [, print] = /^\/[A-Za-z0-9_./-]*\/bash ([A-Za-z0-9_.,:()+ -]{1,8000})$/.exec(told) ?? []
  return print?.includes('progcomp') ? print : undefined
}
