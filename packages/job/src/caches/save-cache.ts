import type { FileStage, FileStageWork } from '../files/file-stage.ts'
import type { CacheContext } from './cache-context.ts'
import { cacheFormat } from './cache-format.ts'
import { type CacheSave, planSave } from './cache-plan.ts'
import { canCompressZstd, compressZstd } from './compress-zstd.ts'
import { gzipLevel, localCacheStatus, saveLocalCache } from './local-cache.ts'
import { localCommand } from './local-command.ts'
import { tryCache } from './try-cache.ts'

/** Files of a job that were looked for on its machine. */
export interface SelectedFiles {
  readonly isEmpty: boolean
  /** Every directory that the files need, each after the one it is in. */
  readonly directories: readonly string[]
  /** Of the names of all, their sizes and times: one word. */
  readonly digest: string
  /** For `sh`, in the login's directory, which is its `$1`: reads {@link packInput}, and writes a tar stream. */
  readonly packCommand: string
  packInput(): AsyncIterable<Buffer>
  /** All of them as a tar stream. */
  tar(signal: AbortSignal): AsyncIterable<Buffer>
  /** All of them as a zip. */
  zip(level: string, signal: AbortSignal): AsyncIterable<Buffer>
}

/** Looks for the files of a cache, and says in the trace what was found. */
export type SelectFiles = (wanted: Pick<CacheSave, 'paths' | 'untracked'>, work: FileStageWork) => Promise<SelectedFiles>

/** The stage after a job's scripts in which its caches are saved; none where nothing is to be saved. What cannot be saved is said, and changes nothing about how the job went. */
export function saveCaches(context: CacheContext, select: SelectFiles, hasSucceeded: boolean): FileStage[] {
  const saves = planSave(context.plan, hasSucceeded)
  if (saves.length === 0) return []
  return [
    {
      name: hasSucceeded ? 'archive_cache' : 'archive_cache_on_failure',
      async run(work) {
        for (const save of saves) await saveOne(context, select, save, work)
      },
    },
  ]
}

async function saveOne(
  context: CacheContext,
  select: SelectFiles,
  { notes, key, ...wanted }: CacheSave,
  work: FileStageWork,
): Promise<void> {
  const { log } = work
  for (const { level, text } of notes) await (level === 'warning' ? log.warning(text) : log.line(text))
  if (key === undefined) return
  await log.line(`Creating cache ${key}...`)
  const isSaved = await tryCache(context, 1, work, async (signal) => {
    const files = await select(wanted, { ...work, signal })
    if (files.isEmpty) {
      await log.warning('No files to cache.')
      return false
    }
    const to = context.store === undefined ? toMachine : toStore
    await to(context, key, files, { ...work, signal })
    return true
  })
  if (isSaved === true) await log.line('Created cache')
  if (isSaved === undefined) await log.warning('Failed to create cache')
}

async function toMachine({ local, level }: CacheContext, key: string, files: SelectedFiles, work: FileStageWork): Promise<void> {
  const { environment, log, signal } = work
  const { digest, packCommand } = files
  const saved = { digest, level: gzipLevel(level), unique: environment.jobMarker.value }
  const command = saveLocalCache({ ...local, key }, packCommand, saved)
  const status = await localCommand({ environment, command, input: localInput(files), signal }, localCacheStatus.upToDate)
  await log.line(
    status === localCacheStatus.upToDate
      ? 'Archive is up to date!'
      : 'No URL provided, cache will not be uploaded to shared cache server. Cache will be stored only locally.',
  )
}

async function* localInput({ directories, packInput }: SelectedFiles): AsyncGenerator<Buffer, void, undefined> {
  yield Buffer.from(`${directories.map((path) => `./${path}\n`).join('')}\n`)
  yield* packInput()
}

async function toStore(
  { store, projectId, format: wanted, level }: CacheContext,
  key: string,
  files: SelectedFiles,
  { log, signal }: FileStageWork,
): Promise<void> {
  if ((await store!.digest({ projectId, key }, signal)) === files.digest) return log.line('Archive is up to date!')
  const { format, warning } = cacheFormat(wanted, canCompressZstd)
  if (warning !== undefined) await log.warning(warning)
  await log.line('Uploading cache to the shared cache server')
  const content = format === 'zip' ? files.zip(level, signal) : compressZstd(files.tar(signal), level)
  await store!.upload({ projectId, key }, { content, digest: files.digest }, signal)
}
