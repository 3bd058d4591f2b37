import { parseArgs } from 'node:util'

export interface DemoOptions {
  readonly jobs: number
  readonly slots: number
  readonly maxInstances: number
  readonly plugin: 'local' | 'docker'
  /** Where the result is written as JSON. */
  readonly json: string | undefined
}

export const usage = `usage: npm start -- [options]

  --jobs N            jobs to run (60)
  --slots N           slots per instance (4)
  --max-instances N   instances at most (5)
  --plugin NAME       local or docker (local)
  --json FILE         write the result to FILE as well
  --help              this text`

/** Reads the command line. Returns every problem found, worded for people, or `help`. */
export function parseOptions(
  args: readonly string[],
  maxJobs: number,
): DemoOptions | { readonly problems: readonly string[] } | 'help' {
  let values: Record<string, string | boolean | undefined>
  try {
    const text = { type: 'string' } as const
    const options = {
      jobs: text,
      slots: text,
      'max-instances': text,
      plugin: text,
      json: text,
      help: { type: 'boolean' },
    } as const
    values = parseArgs({ args: [...args], options }).values
  } catch (error) {
    return { problems: [(error as Error).message] }
  }
  if (values['help'] === true) return 'help'

  const problems: string[] = []
  const count = (name: string, fallback: number, most: number): number => {
    const given = values[name]
    if (given === undefined) return fallback
    const value = typeof given === 'string' && /^\d+$/.test(given) ? Number(given) : Number.NaN
    if (!(value >= 1 && value <= most))
      problems.push(`--${name}: expected a whole number from 1 to ${most}, got ${String(given)}`)
    return value
  }
  const plugin = values['plugin'] ?? 'local'
  if (plugin !== 'local' && plugin !== 'docker')
    problems.push(`--plugin: expected local or docker, got ${String(plugin)}`)
  if (values['json'] === '') problems.push('--json: expected a file name, got nothing')
  const options: DemoOptions = {
    jobs: count('jobs', 60, maxJobs),
    slots: count('slots', 4, 100),
    maxInstances: count('max-instances', 5, 100),
    plugin: plugin === 'docker' ? 'docker' : 'local',
    json: typeof values['json'] === 'string' ? values['json'] : undefined,
  }
  return problems.length > 0 ? { problems } : options
}
