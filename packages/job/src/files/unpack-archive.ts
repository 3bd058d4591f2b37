import type { OpenedArchive } from '../archive/open-archive.ts'
import { packEntries, packLinkDirectories } from '../archive/pack-entries.ts'
import { loginDirectory } from '../build-paths.ts'
import type { JobEnvironment } from '../job-environment.ts'
import { quote } from '../script/quote.ts'

/** What the machine says to a failed transfer is kept up to this. */
const longestComplaint = 4096

export interface UnpackOptions {
  readonly environment: Pick<JobEnvironment, 'transfer' | 'helper'>
  /** Absolute, or below {@link loginDirectory}; it must be there. */
  readonly directory: string
  readonly archive: OpenedArchive
  readonly signal: AbortSignal
}

/** Thrown when the machine could not write what an archive holds: a full disk, a directory where a file should be. */
class UnpackError extends Error {
  override readonly name = 'UnpackError'
  readonly code = 'unpack_failed'
}

/**
 * Unpacks an archive on the job's machine, which needs a shell and a tar for it, GNU's or busybox's. What is there
 * already is kept, but for what the archive has, too. Symbolic links and files that stand where the archive has a
 * directory give way to it: following them would write somewhere else.
 *
 * Thrown: {@link UnpackError}; `ArchiveError` `damaged` when that shows only in a file's bytes; `EnvironmentError`; the
 * signal's reason.
 */
export async function unpackArchive({ archive, ...options }: UnpackOptions): Promise<void> {
  await send(options, withDirectories(archive.directories, packEntries(archive)))
  const last = packLinkDirectories(archive.entries)
  if (last !== undefined) await send(options, withDirectories([], last))
}

async function send(
  { environment, directory, signal }: Omit<UnpackOptions, 'archive'>,
  input: AsyncIterable<Buffer>,
): Promise<void> {
  let complaint = ''
  const end = await environment.transfer({
    command: unpackCommand(directory, environment.helper?.opensFiles),
    input,
    stdout: () => {},
    stderr: (chunk) => {
      complaint = (complaint + chunk.toString()).slice(0, longestComplaint)
    },
    signal,
  })
  if ('exitCode' in end && end.exitCode === 0) return
  const how = 'exitCode' in end ? `exit status ${end.exitCode}` : `signal ${end.signal}`
  throw new UnpackError(`the instance could not unpack the archive (${how}): ${complaint.trim() || 'no reason given'}`)
}

/**
 * The shell reads the names of directories up to an empty line, byte by byte, so that the rest of its input is left for
 * tar. Owners and groups are those of the login (`-o`), permissions those of the archive (`-p`). `opens`: all that is
 * there is then open to all users, but links, which may lead elsewhere.
 */
export function unpackCommand(directory: string, opens = false): string {
  const there = quote(directory.replace(`${loginDirectory}/`, './'))
  return `command -v tar >/dev/null 2>&1 || { echo 'tar was not found on the instance' >&2; exit 127; }
cd ${there} || exit
while IFS= read -r d && [ -n "$d" ]; do
if [ -L "$d" ]; then rm -f "$d" || exit
elif [ -d "$d" ]; then [ -w "$d" ] && [ -x "$d" ] || chmod u+rwx "$d" || exit
elif [ -e "$d" ]; then rm -f "$d" || exit
fi
done
${opens ? 'tar -xpof - && find . ! -type l -exec chmod a+rwX {} +' : 'exec tar -xpof -'}`
}

async function* withDirectories(
  directories: readonly string[],
  tar: AsyncIterable<Buffer>,
): AsyncGenerator<Buffer, void, undefined> {
  yield Buffer.from(`${directories.map((path) => `./${path}\n`).join('')}\n`)
  yield* tar
}
