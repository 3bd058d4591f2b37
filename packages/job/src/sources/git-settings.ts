import { quote } from '../script/quote.ts'
import type { GitSources } from './sources-plan.ts'

/** A line of git's configuration. */
export interface GitSetting {
  readonly section: string
  readonly subsection: string
  readonly name: string
  readonly value: string
}

/**
 * What git needs to know in every repository of a job to reach the coordinator: whom to ask for the login, under which
 * address. There is no secret in it, so it may stand in `.git/config` and on command lines.
 */
function gitSettings({ repository, loginOrigins, rewrites }: GitSources): GitSetting[] {
  const { username, password } = repository
  const helper = `!f() { test "$1" = get && printf 'username=%s\\npassword=%s\\n' ${quote(username)} "$CI_JOB_TOKEN"; }; f`
  return [
    // The empty one first: no helper of the machine's own is to be asked, or to store the token.
    ...(password === ''
      ? []
      : loginOrigins.flatMap((subsection) =>
          ['', helper].map((value) => ({ section: 'credential', subsection, name: 'helper', value })),
        )),
    ...rewrites.map(({ from, to }) => ({ section: 'url', subsection: to, name: 'insteadOf', value: from })),
  ]
}

/**
 * The files that say whom to trust, and who this is: a key of git's configuration, and a word of the shell, since only
 * the machine knows where its directories are.
 */
function certificateSettings({
  loginOrigins,
  tlsFiles,
}: GitSources): { readonly key: string; readonly word: string }[] {
  return loginOrigins
    .filter((origin) => origin.startsWith('https:'))
    .flatMap((origin) =>
      tlsFiles.map(({ setting, variable }) => ({ key: `http.${origin}.${setting}`, word: `"$${variable}"` })),
    )
}

/** Where `git fetch` puts branches. */
export const originFetch: GitSetting = {
  section: 'remote',
  subsection: 'origin',
  name: 'fetch',
  value: '+refs/heads/*:refs/remotes/origin/*',
}

/** Commands that write the settings, after `more`, into the configuration file in `directory`, a word of the shell. */
export function writeSettings(git: GitSources, directory: string, more: readonly GitSetting[] = []): string[] {
  const settings = [...more, ...gitSettings(git)]
  return [
    // `git config` would be a process for each of them.
    ...(settings.length === 0 ? [] : [`printf '%s\\n' ${quote(configText(settings))} >>${directory}/config`]),
    ...certificateSettings(git).map(({ key, word }) => `git config -f ${directory}/config --add ${quote(key)} ${word}`),
  ]
}

/** Options of one git command that give it the settings, and to what it starts in other repositories. */
export function settingOptions(git: GitSources): string[] {
  return [
    ...gitSettings(git).map(
      ({ section, subsection, name, value }) => `-c ${quote(`${section}.${subsection}.${name}=${value}`)}`,
    ),
    ...certificateSettings(git).map(({ key, word }) => `-c ${quote(`${key}=`)}${word}`),
  ]
}

/** Settings as git's configuration files have them. */
function configText(settings: readonly GitSetting[]): string {
  const lines = settings.map(({ section, subsection, name, value }, index) => {
    const before = settings[index - 1]
    const isNew = before?.section !== section || before.subsection !== subsection
    return `${isNew ? `[${section} ${inQuotes(subsection)}]\n` : ''}\t${name} = ${inQuotes(value)}`
  })
  return lines.join('\n')
}

function inQuotes(text: string): string {
  return `"${text.replaceAll(/["\\]/g, '\\$&').replaceAll('\n', '\\n')}"`
}
