/**
 * What the jobs of the world do. A line of a job's script says one thing, in words that no shell knows: `world job j3`,
 * `world print 4`, `world sleep 500`, `world exit 1`. The simulated shell does it; production only carries the text.
 *
 * @module
 */

/** One thing that a job does on its machine. */
export type Act =
  /** Its name, which comes first: what is printed holds it. */
  | { readonly job: string }
  /** The same, in its `after_script`. */
  | { readonly after: string }
  /** Prints a line that nothing else prints. */
  | { readonly print: number }
  | { readonly sleepMs: number }
  /** Goes on until it is ended. */
  | { readonly hang: true }
  /** Leaves a process behind. */
  | { readonly leave: true }
  /** Does not end when it is asked to. */
  | { readonly stubborn: true }
  /** Fills so much of the machine's disk. */
  | { readonly fillBytes: number }
  /** Says something that nobody else may read. */
  | { readonly secret: string }
  | { readonly exit: number }

const words = {
  job: (text: string): Act => ({ job: text }),
  after: (text: string): Act => ({ after: text }),
  print: (text: string): Act => ({ print: Number(text) }),
  sleep: (text: string): Act => ({ sleepMs: Number(text) }),
  hang: (): Act => ({ hang: true }),
  leave: (): Act => ({ leave: true }),
  stubborn: (): Act => ({ stubborn: true }),
  fill: (text: string): Act => ({ fillBytes: Number(text) }),
  secret: (text: string): Act => ({ secret: text }),
  exit: (text: string): Act => ({ exit: Number(text) }),
} as const

/** The line of a script that says it. */
export function lineOf(act: Act): string {
  const [[word, value]] = Object.entries(act) as [[string, string | number | true]]
  const name = { sleepMs: 'sleep', fillBytes: 'fill' }[word] ?? word
  return value === true ? `world ${name}` : `world ${name} ${value}`
}

/** Undefined: it is none of the world's. */
export function actOf(line: string): Act | undefined {
  const [, word, rest = ''] = /^world (\w+) ?(\S*)$/.exec(line) ?? []
  return word === undefined ? undefined : words[word as keyof typeof words]?.(rest)
}

/** What it prints: without its line feed. */
export function printed(job: string, line: number): string {
  return `${job} says ${line}`
}
