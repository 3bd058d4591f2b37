/**
 * What a login keeps between the commands that are run as it, and what a job can therefore leave for the next one:
 * start-up files, settings of programs that run other programs, `~/.ssh`, a crontab.
 *
 * @module
 */

/** In the login's home: what is kept there of the login, and the homes of jobs. */
export const loginStateDirectory = '.runner-core'

/** What one look at a login found. */
export interface LoginState {
  /**
   * What there is, by its name (`file .bashrc`, `link .ssh/config`, `crontab`, `at 12`, `linger`), with a digest or a
   * target.
   */
  readonly parts: ReadonlyMap<string, string>
  /** Id and start of each process of the login, as `123:4567`. */
  readonly processes: readonly string[]
  /** Which of the machine's boots that was: after another one the processes are others. */
  readonly boot: string
  /** Entries of the home. */
  readonly names: readonly string[]
}

/** What a machine reported of a login: see `loginScript`. */
export interface LoginReport extends LoginState {
  /** Ids of processes that could not be ended. */
  readonly left: readonly string[]
  /** Whether the job's own home was made, where one was asked for. */
  readonly hasHome: boolean
}

/** A difference between two states: of what, and whether it was there before. */
export interface LoginChange {
  readonly part: string
  readonly wasThere: boolean
}

/** Undefined while the report is not whole. Lines that are none of the script's are ignored. */
export function readLoginReport(answer: string, nonce: string): LoginReport | undefined {
  const [, output] = new RegExp(`^login ${nonce} begins$(.*)^login ${nonce} ends$`, 'ms').exec(answer) ?? []
  if (output === undefined) return undefined
  const all = (pattern: RegExp): string[] => [...output.matchAll(pattern)].map(([, value = '']) => value)
  return {
    parts: new Map(
      [...output.matchAll(/^part ([a-z]+(?: [^\t\n]+)?)\t(.*)$/gm)].map(([, part = '', value = '']) => [part, value]),
    ),
    processes: all(/^process (\d+:\d+)$/gm),
    boot: all(/^boot ([0-9a-f-]+)$/gm)[0] ?? '',
    names: all(/^name (.+)$/gm),
    left: all(/^left (\d+)$/gm),
    hasHome: /^home$/m.test(output),
  }
}

/** What is different now, in the order of names. */
export function loginChanges(first: LoginState, now: LoginState): LoginChange[] {
  const parts = [...new Set([...first.parts.keys(), ...now.parts.keys()])].sort()
  return parts
    .filter((part) => first.parts.get(part) !== now.parts.get(part))
    .map((part) => ({ part, wasThere: first.parts.has(part) }))
}
