import { limitExceeded } from '../job-budget.ts'
import type { LateVariables } from '../variables/late-variables.ts'
import type { FileStageWork } from './file-stage.ts'
import { FoundFiles } from './found-files.ts'
import { listCommand, untrackedCommand } from './machine-commands.ts'
import { expanded } from './read-late-variables.ts'
import { received, TransferError } from './received.ts'
import { SelectedFiles } from './selected-files.ts'
import { type WantedPath, wantedPaths } from './wanted-paths.ts'

export interface FileSelection {
  /** Patterns, as the job says them. */
  readonly paths: readonly string[]
  /** Default: none. */
  readonly exclude?: readonly string[]
  /** Also what git does not know, ignored files included. */
  readonly untracked: boolean
}

/**
 * Looks for files of a job on its machine, and says in the trace what was found. Thrown: {@link TransferError};
 * `EnvironmentError`; the signal's reason.
 */
export async function selectFiles(
  { paths, exclude = [], untracked }: FileSelection,
  projectDir: string,
  variables: Pick<LateVariables, 'expand'>,
  { environment, log, signal, budget }: FileStageWork,
): Promise<SelectedFiles> {
  const all = async (texts: readonly string[]): Promise<string[]> => {
    const results: string[] = []
    for (const text of texts) results.push(await expanded(text, 'invalid path', variables, { log }))
    return results
  }
  const { wanted, excluded, warnings } = wantedPaths({
    paths: await all(paths),
    exclude: await all(exclude),
    projectDir,
    budget,
  })
  for (const warning of warnings) await log.warning(warning)
  const files = new FoundFiles(wanted, excluded, budget)
  const roots = rootsOf(wanted)
  if (roots.length > 0) {
    const input = Buffer.from(roots.map((root) => `${root}\n`).join(''))
    const what = 'looking for files'
    const listed = received({ environment, what, command: listCommand(projectDir), input: once(input), signal })
    for await (const record of records(listed)) {
      const at = record.indexOf('./')
      // Fractions of a second do not outlive an archive.
      files.tell(plainPath(record.slice(at)), record.slice(0, at).replace(/\.\d+/, ''))
      await budget.rest()
    }
  }
  for (const [index, { text }] of wanted.entries()) {
    const count = files.found[index]!
    if (count > 0) await log.line(`${shown(text, projectDir)}: found ${count} matching artifact files and directories`)
    else
      await log.warning(
        `${shown(text, projectDir)}: no matching files. Ensure that the artifact path is relative to the working directory (${shown(projectDir, '')})`,
      )
  }
  if (untracked) await selectUntracked(files, projectDir, { environment, log, signal, budget })
  for (const [index, { text }] of excluded.entries()) {
    const count = files.leftOut[index]!
    if (count > 0) await log.line(`${shown(text, projectDir)}: excluded ${count} files`)
  }
  const { paths: found, digest } = await files.inOrder()
  return new SelectedFiles({ environment, projectDir, paths: found.filter((path) => path !== ''), digest, budget })
}

async function selectUntracked(
  files: FoundFiles,
  projectDir: string,
  { environment, log, signal, budget }: FileStageWork,
): Promise<void> {
  try {
    const listed = received({ environment, what: 'git', command: untrackedCommand(projectDir), signal })
    for await (const record of records(listed)) {
      files.tellUntracked(plainPath(record))
      await budget.rest()
    }
  } catch (error) {
    if (!(error instanceof TransferError)) throw error
    await log.warning(`untracked: ${error.message}`)
    return
  }
  if (files.untracked > 0) await log.line(`untracked: found ${files.untracked} files`)
  else await log.warning('untracked: no files')
}

/** What is to be looked through: `./path` alone, `./path/` where only things below are meant. Nothing twice. */
function rootsOf(wanted: readonly WantedPath[]): string[] {
  const roots = new Set<string>()
  for (const { path, isWhole } of wanted.flatMap(({ pattern }) => pattern.bases)) {
    // A line is a path.
    const cut = path.includes('\n')
      ? path.slice(0, path.lastIndexOf('/', path.indexOf('\n')) + 1).replace(/\/$/, '')
      : path
    roots.add(cut === '' ? './' : isWhole && cut === path ? `./${cut}` : `./${cut}/`)
  }
  const kept: string[] = []
  // What is below a directory comes right behind it.
  let directory: string | undefined
  for (const root of [...roots].sort()) {
    if (directory !== undefined && root.startsWith(directory)) continue
    if (root.endsWith('/')) directory = root
    kept.push(root)
  }
  return kept
}

/** A path of Linux has 4,096 bytes at most; what stands in front of it is short. */
const longestRecord = 8192

/**
 * Texts with a NUL behind each, characters that are bytes. Thrown: `JobError` `limit_exceeded` for one that does not
 * end.
 */
async function* records(source: AsyncIterable<Buffer>): AsyncGenerator<string, void, undefined> {
  let rest = ''
  for await (const chunk of source) {
    const parts = (rest + chunk.toString('latin1')).split('\0')
    rest = parts.pop()!
    if (rest.length > longestRecord) throw limitExceeded('the name of a file', `${longestRecord} bytes`)
    for (const part of parts) {
      if (part.length > longestRecord) throw limitExceeded('the name of a file', `${longestRecord} bytes`)
      yield part
    }
  }
}

function plainPath(path: string): string {
  return path
    .split('/')
    .filter((name) => name !== '' && name !== '.')
    .join('/')
}

async function* once(bytes: Buffer): AsyncGenerator<Buffer, void, undefined> {
  yield bytes
}

/** As people know it: the machine's own directory is not known here. */
function shown(text: string, projectDir: string): string {
  const relative = projectDir !== '' && text.startsWith(`${projectDir}/`) ? text.slice(projectDir.length + 1) : text
  return relative.replaceAll('\0login\0', '~')
}
