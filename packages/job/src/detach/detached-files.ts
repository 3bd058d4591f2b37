import { buildsDirectory } from '../build-paths.ts'
import type { JobMarker } from '../script/job-marker.ts'
import { quote } from '../script/quote.ts'

/** A script that outlives its connection. */
export interface DetachedScript {
  /** As configured: see `BuildPathsOptions.buildsDir`. */
  readonly buildsDir: string
  readonly jobMarker: JobMarker
  /** Which of the job's scripts it is, 0 for the first. */
  readonly index: number
}

/** Private directory of all that detached scripts of a login keep on the machine, as a shell word. */
export function detachDirectory(buildsDir: string): string {
  return quote(`${buildsDirectory(buildsDir)}/.detached`)
}

/**
 * Shell text that makes {@link detachDirectory} where somebody removed it, such as a job that clears its builds
 * directory. No process where it is there.
 */
export function makeDetachDirectory(buildsDir: string): string {
  const directory = detachDirectory(buildsDir)
  return `[ -d ${directory} ] || mkdir -p -m 700 ${directory} 2>/dev/null`
}

/**
 * The file that tells of a script, as a shell word. No two acquisitions have a name in common, whoever made them, since
 * it begins with the job's marker. Its lines: the shell's own of `/proc/PID/stat`, written as the script starts, so
 * that no second one starts under this name; the relay that its output goes to, and the byte there at which it begins;
 * then how it ended, where it came to its end.
 */
export function scriptFile({ buildsDir, jobMarker, index }: DetachedScript): string {
  return `${detachDirectory(buildsDir)}/${quote(`${jobMarker.value}.${index}`)}.pid`
}

/**
 * What the names of a relay's files begin with, as a shell word: `.in`, the pipe that scripts print to, and `.out`,
 * which keeps that. `relay`: its unique name, of letters and digits.
 */
export function relayFile(buildsDir: string, relay: string): string {
  return `${detachDirectory(buildsDir)}/${quote(relay)}`
}
