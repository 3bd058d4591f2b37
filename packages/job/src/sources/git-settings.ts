import { quote } from '../script/quote.ts'
import { serverCertificatesKey } from '../variables/job-variables.ts'
import type { GitSources } from './sources-plan.ts'

/** A line of git's configuration. */
interface GitSetting {
  readonly key: string
  /** A word of the shell: it may name a variable of the job. */
  readonly word: string
}

/**
 * What git needs to know in every repository of a job to reach the coordinator: whom to ask for the login, under which address. There is no secret in it, so it
 * may stand in `.git/config` and on command lines.
 */
function gitSettings({ repository, rewrites, hasCertificates }: GitSources): GitSetting[] {
  const { origin, username, password } = repository
  const helperKey = `credential.${origin}.helper`
  const helper = `!f() { test "$1" = get && printf 'username=%s\\npassword=%s\\n' ${quote(username)} "$CI_JOB_TOKEN"; }; f`
  return [
    // The empty one first: no helper of the machine's own is to be asked, or to store the token.
    ...(password === '' ? [] : ['', helper].map((value) => ({ key: helperKey, word: quote(value) }))),
    ...(hasCertificates ? [{ key: `http.${origin}.sslCAInfo`, word: `"$${serverCertificatesKey}"` }] : []),
    ...rewrites.map(({ from, to }) => ({ key: `url.${to}.insteadOf`, word: quote(from) })),
  ]
}

/** Commands that write the settings into the repository they run in. */
export function writeSettings(git: GitSources): string[] {
  return gitSettings(git).map(({ key, word }) => `git config --add ${quote(key)} ${word}`)
}

/** Options of one git command that give it the settings, and to what it starts in other repositories. */
export function settingOptions(git: GitSources): string[] {
  return gitSettings(git).map(({ key, word }) => `-c ${quote(`${key}=`)}${word}`)
}
