import { loginDirectory } from '../build-paths.ts'
import { quote } from '../script/quote.ts'
import { files } from './login-files.ts'
import { loginStateDirectory as parent } from './login-state.ts'
import { isSafeName } from './safe-name.ts'

/** The home that a job has for itself: for `HOME`, as `quote` makes a word of it. */
export function ownHomeDirectory(marker: string): string {
  return `${loginDirectory}/${parent}/home.${marker}`
}

/**
 * Small, and read or written by programs that keep a login there: a job gets copies. All else, such as tools, is linked
 * to. `ssh` looks in the login's own home whatever `HOME` says.
 */
const copied = new Set([
  ...files.filter((name) => !name.includes('/')),
  '.config',
  '.docker',
  '.kube',
  '.aws',
  '.azure',
  '.gnupg',
])
/** Not wanted in another home: the homes themselves, and what only people use. */
const unwanted = new Set([parent, '.bash_history', '.cache', '.viminfo', '.lesshst'])

/**
 * Shell text that makes a home for one job, of what the login's home had at first: `$1` is that. Prints `home` when it
 * stands.
 */
export function ownHome({
  marker,
  names,
  isAlone,
}: {
  readonly marker: string
  readonly names: readonly string[]
  readonly isAlone: boolean
}): string {
  const wanted = names.filter((name) => isSafeName(name) && !name.includes('/') && !unwanted.has(name))
  const words = (which: readonly string[]): string => which.map((name) => `"$1"/${quote(name)}`).join(' ')
  const [copies, links] = [wanted.filter((name) => copied.has(name)), wanted.filter((name) => !copied.has(name))]
  const home = `"$1"/${parent}/${quote(`home.${marker}`)}`
  return [
    isAlone ? `rm -rf "$1"/${parent}/home.*` : `rm -rf ${home}`,
    `mkdir -p -m 700 "$1"/${parent} && mkdir -m 700 ${home} && {`,
    ...(links.length === 0 ? [] : [`ln -s ${words(links)} ${home}/`]),
    ...(copies.length === 0 ? [] : [`cp -RpP ${words(copies)} ${home}/`]),
    'echo home; }',
  ].join('\n')
}

/** Shell text that removes the home of a job that is over: `$1` is the login's directory. */
export function removeHome(marker: string): string {
  return `rm -rf "$1"/${parent}/${quote(`home.${marker}`)}`
}
