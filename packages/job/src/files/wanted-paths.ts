import { JobBudget } from '../job-budget.ts'
import { literalBase, PathPattern, PathPatternError } from './path-pattern.ts'

/** A pattern of paths to be taken, or a complaint. */
export interface WantedPath {
  /** As the job says it, variables replaced. */
  readonly text: string
  readonly pattern: PathPattern
}

export interface WantedPathsOptions {
  /** Variables replaced. */
  readonly paths: readonly string[]
  readonly exclude: readonly string[]
  /** The work tree, as variables give it. */
  readonly projectDir: string
  /** Default: one of its own. */
  readonly budget?: JobBudget
}

export interface WantedPaths {
  readonly wanted: readonly WantedPath[]
  readonly excluded: readonly WantedPath[]
  /** For the trace. */
  readonly warnings: readonly string[]
}

/**
 * Makes patterns of a job's lists: relative to its project, which they must not lead out of. What is none is left out,
 * with a warning. Thrown: `JobError` `limit_exceeded`.
 */
export function wantedPaths({ paths, exclude, projectDir, budget = new JobBudget() }: WantedPathsOptions): WantedPaths {
  const warnings: string[] = []
  const read = (text: string): WantedPath[] => {
    const relative = relativePattern(text, projectDir)
    if (relative === undefined) {
      warnings.push(`artifact path is not a subpath of project directory: ${text}`)
      return []
    }
    try {
      return [{ text, pattern: new PathPattern(relative, budget) }]
    } catch (error) {
      if (!(error instanceof PathPatternError)) throw error
      warnings.push(`${text}: syntax error in pattern: ${error.message}`)
      return []
    }
  }
  return { wanted: paths.flatMap(read), excluded: exclude.flatMap(read), warnings }
}

/**
 * Undefined: it leads elsewhere. What is no pattern yet is looked at as text, as GitLab's runner does: links in it are
 * not followed.
 */
function relativePattern(text: string, projectDir: string): string | undefined {
  const isBelow = text === projectDir || text.startsWith(`${projectDir}/`)
  const below = isBelow ? text.slice(projectDir.length + 1) : text
  if (!isBelow && (text.startsWith('/') || text.startsWith('\0'))) return undefined
  const { base, rest } = literalBase(below)
  const names: string[] = []
  // Names that may come again: `../project/dist` is `dist`.
  const above = projectDir.split('/')
  for (const name of base.split('/')) {
    if (name === '' || name === '.') continue
    if (name !== '..') names.push(name)
    else if (names.pop() === undefined) names.push('..')
    if (names[0] === '..' && names[1] === above.at(-1)) names.splice(0, 2)
  }
  if (names[0] === '..') return undefined
  return [...names, ...rest.split('/').filter((name) => name !== '' && name !== '.')].join('/')
}
