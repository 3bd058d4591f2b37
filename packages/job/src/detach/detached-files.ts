import { buildsDirectory } from '../build-paths.ts'
import type { JobMarker } from '../script/job-marker.ts'
import { quote } from '../script/quote.ts'

/** Where a script that outlives its connection keeps what the next connection needs. */
export interface DetachedScript {
  /** As configured: see `BuildPathsOptions.buildsDir`. */
  readonly buildsDir: string
  readonly jobMarker: JobMarker
  /** Which of the job's scripts it is, 0 for the first. */
  readonly index: number
}

/** Private directory of all detached scripts of a login, as a shell word. */
export function detachDirectory(buildsDir: string): string {
  return quote(`${buildsDirectory(buildsDir)}/.detached`)
}

/**
 * What the names of a script's files begin with, as a shell word. No two acquisitions have a name in common, whoever made them, since it begins with the job's marker:
 *
 * | file | holds |
 * |---|---|
 * | `.pid` | the shell's line of `/proc/PID/stat`, written as it starts: no second one starts under this name; then how it ended, where it came to its end |
 * | `.out` | all that it printed, up to a limit |
 * | `.in` | the way from the shell to what writes `.out`, where the shell needs a name for it |
 */
export function detachedFile({ buildsDir, jobMarker, index }: DetachedScript): string {
  return `${detachDirectory(buildsDir)}/${quote(`${jobMarker.value}.${index}`)}`
}

/** The kinds of files, by the end of their names. */
export const detachedSuffixes: readonly string[] = ['pid', 'out', 'in']
