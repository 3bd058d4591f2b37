import { type JobMarker, markerAssignment, residentLimit } from './job-marker.ts'
import { ownPath } from './own-path.ts'

export interface TransferCommandOptions {
  /** Of `FileTransfer`. */
  readonly command: string
  readonly jobMarker: JobMarker
}

/**
 * The command line that makes a login shell, whichever it is, give a command to `sh`; its standard input is the
 * command's. What it starts carries both markers of the job. It holds no secret, since anybody on the machine can read
 * it.
 *
 * Its `$1` is the directory that the login begins in: see `quote`. It travels as a format of `printf`: as other shells
 * than POSIX's read a quoted word, too.
 */
export function transferCommand({ command, jobMarker }: TransferCommandOptions): string {
  const mark = `export ${markerAssignment(jobMarker)}; ulimit -m ${residentLimit(jobMarker).kibibytes} 2>/dev/null; ${ownPath}`
  return `exec sh -c '${mark}; exec sh -c "$(printf "$1")" sh "$PWD"' sh '${asFormat(command)}'`
}

function asFormat(command: string): string {
  return command.replaceAll(/[%'\\\n\r!]/g, (character) =>
    character === '%' ? '%%' : `\\${character.charCodeAt(0).toString(8).padStart(3, '0')}`,
  )
}
