import { createHash } from 'node:crypto'

/** Told from all other jobs' processes by this variable in their environment. */
export interface JobMarker {
  readonly name: string
  readonly value: string
}

/**
 * A job's processes carry a second marker, derived from the first: their limit of resident memory (`ulimit -m`). Linux
 * does not enforce that limit, every process inherits it whatever it does to its environment and its session, nobody
 * but root can raise it again, and anybody can read it in `/proc/PID/stat`: also that of a process that hides its
 * environment, as `ssh-agent` does, or that runs under `sudo`.
 *
 * The number is so large (2^58 to 2^59 bytes) that programs which do look at the limit, such as `sort`, see none.
 */
export interface ResidentLimit {
  /** For `ulimit -m`. */
  readonly kibibytes: string
  /** As `/proc/PID/stat` shows it. */
  readonly bytes: string
}

export function residentLimit(marker: JobMarker): ResidentLimit {
  const digest = createHash('sha256').update(marker.value).digest()
  const kibibytes = 2n ** 48n + BigInt(digest.readUIntBE(0, 6))
  return { kibibytes: kibibytes.toString(), bytes: (kibibytes * 1024n).toString() }
}

/** The marker as it stands in an environment. Thrown: `RangeError` when it could not stand in a script as it is. */
export function markerAssignment(marker: JobMarker): string {
  const assignment = `${marker.name}=${marker.value}`
  if (/^[A-Za-z_][A-Za-z0-9_]*=[A-Za-z0-9_.:-]+$/.test(assignment)) return assignment
  throw new RangeError(
    `a job marker is a variable's name and a value of letters, digits and _.:-, got ${JSON.stringify(assignment)}`,
  )
}
