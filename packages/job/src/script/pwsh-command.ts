import { type JobMarker, markerAssignment, residentLimit } from './job-marker.ts'

export interface PwshCommandOptions {
  readonly jobMarker: JobMarker
  /** Length of the script that is found on standard input. */
  readonly scriptBytes: number
}

/**
 * The command line that makes a POSIX login shell run a script of `pwshScript` from standard input, read as a whole
 * before any of it runs. It holds no secret. What it starts carries both markers of the job.
 */
export function pwshCommand({ jobMarker, scriptBytes }: PwshCommandOptions): string {
  const read = [
    `$rc_in = [Console]::OpenStandardInput(); $rc_bytes = [byte[]]::new(${scriptBytes}); $rc_at = 0`,
    `while ($rc_at -lt ${scriptBytes}) { $rc_n = $rc_in.Read($rc_bytes, $rc_at, ${scriptBytes} - $rc_at); if ($rc_n -eq 0) { exit 1 }; $rc_at += $rc_n }`,
    '. ([scriptblock]::Create([Text.Encoding]::UTF8.GetString($rc_bytes)))',
  ].join('\n')
  const encoded = Buffer.from(read, 'utf16le').toString('base64')
  return `export ${markerAssignment(jobMarker)}; ulimit -m ${residentLimit(jobMarker).kibibytes} 2>/dev/null; exec pwsh -NoProfile -NoLogo -NonInteractive -EncodedCommand ${encoded} 2>&1`
}
