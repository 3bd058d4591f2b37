import { compressZstd } from '../archive/compress/compress-zstd.ts'
import { compressionLevel } from '../archive/packed-file.ts'
import { writeTar } from '../archive/tar/write-tar.ts'
import { writeZip } from '../archive/zip/write-zip.ts'
import type { FileStage, FileStageWork } from '../files/file-stage.ts'
import type { LateVariablesReader } from '../files/read-late-variables.ts'
import { selectFiles } from '../files/select-files.ts'
import type { SelectedFiles } from '../files/selected-files.ts'
import type { LateVariables } from '../variables/late-variables.ts'
import type { CacheContext } from './cache-context.ts'
import { cacheFormat } from './cache-format.ts'
import { type CacheSave, planSave } from './cache-plan.ts'
import { gzipLevel, localCacheStatus, packLocally, saveLocalCache } from './local-cache.ts'
import { localCommand } from './local-command.ts'
import { tryCache } from './try-cache.ts'

/**
 * The stage after a job's scripts in which its caches are saved; none where nothing is to be saved. What cannot be
 * saved is said, and changes nothing about how the job went.
 */
export function saveCaches(
  context: CacheContext,
  hasSucceeded: boolean,
  variables: Pick<LateVariablesReader, 'read'>,
): FileStage[] {
  const saves = planSave(context.plan, hasSucceeded)
  if (saves.length === 0) return []
  return [
    {
      name: hasSucceeded ? 'archive_cache' : 'archive_cache_on_failure',
      async run(work) {
        for (const save of saves) await saveOne(context, save, variables, work)
      },
    },
  ]
}

async function saveOne(
  context: CacheContext,
  { notes, key, ...wanted }: CacheSave,
  variables: Pick<LateVariablesReader, 'read'>,
  work: FileStageWork,
): Promise<void> {
  const { log } = work
  for (const { level, text } of notes) await (level === 'warning' ? log.warning(text) : log.line(text))
  if (key === undefined) return
  await log.line(`Creating cache ${key}...`)
  const isSaved = await tryCache(context, 1, work, async (signal) => {
    const late = await variables.read({ ...work, signal })
    const files = await selectFiles(wanted, context.projectDir, late, { ...work, signal })
    if (files.isEmpty) {
      await log.warning('No files to cache.')
      return false
    }
    const to = context.store === undefined ? toMachine : toStore
    await to({ ...context, key, files, setting: (name) => late.setting(name) }, { ...work, signal })
    return true
  })
  if (isSaved === true) await log.line('Created cache')
  if (isSaved === undefined) await log.warning('Failed to create cache')
}

interface SaveContext extends CacheContext, Pick<LateVariables, 'setting'> {
  readonly key: string
  readonly files: SelectedFiles
}

async function toMachine({ local, projectDir, key, files, setting }: SaveContext, work: FileStageWork): Promise<void> {
  const { environment, log, signal } = work
  const saved = {
    digest: digestOf(files, work),
    level: gzipLevel(setting('CACHE_COMPRESSION_LEVEL')),
    unique: environment.jobMarker.value,
  }
  const command = saveLocalCache({ ...local, key }, packLocally(projectDir), saved)
  const status = await localCommand(
    { environment, command, input: localInput(files), signal },
    localCacheStatus.upToDate,
  )
  await log.line(
    status === localCacheStatus.upToDate
      ? 'Archive is up to date!'
      : 'No URL provided, cache will not be uploaded to shared cache server. Cache will be stored only locally.',
  )
}

async function* localInput(files: SelectedFiles): AsyncGenerator<Buffer, void, undefined> {
  // A line is a directory.
  const directories = files.directories.filter((path) => !path.includes('\n'))
  yield Buffer.from(`${directories.map((path) => `./${path}\n`).join('')}\n`)
  yield* files.packInput()
}

async function toStore({ store, projectId, key, files, setting }: SaveContext, work: FileStageWork): Promise<void> {
  const { log, signal } = work
  const digest = digestOf(files, work)
  if ((await store!.digest({ projectId, key }, signal)) === digest) return log.line('Archive is up to date!')
  const { format, warning } = cacheFormat(setting('CACHE_COMPRESSION_FORMAT'))
  if (warning !== undefined) await log.warning(warning)
  await log.line('Uploading cache to the shared cache server')
  const all = files.files(signal, 'keep')
  const level = setting('CACHE_COMPRESSION_LEVEL')
  const content =
    format === 'tarzstd'
      ? compressZstd(writeTar(all), level)
      : writeZip(all, compressionLevel(level), format === 'zipzstd' ? 'zstd' : 'deflate')
  await store!.upload({ projectId, key }, { content, digest }, signal)
  for (const remark of files.remarks) await log.line(remark)
}

/** Where nobody knows whether files have changed, one that no other job has. */
function digestOf({ digest }: SelectedFiles, { environment }: FileStageWork): string {
  return digest ?? environment.jobMarker.value
}
