import { ArchiveFile } from '../archive/archive-file.ts'
import { defaultArchiveLimits } from '../archive/archive-limits.ts'
import { openArchive } from '../archive/open-archive.ts'
import type { FileStage, FileStageWork } from '../files/file-stage.ts'
import { unpackArchive, unpackCommand } from '../files/unpack-archive.ts'
import type { CacheContext } from './cache-context.ts'
import { type CacheRestore, planRestore } from './cache-plan.ts'
import { localCacheStatus, restoreLocalCache } from './local-cache.ts'
import { localCommand } from './local-command.ts'
import { tryCache } from './try-cache.ts'

/**
 * The stage before a job's steps in which its caches come to the machine; none where the job has no caches. What cannot
 * be restored is said, and the job goes on without.
 */
export function restoreCaches(context: CacheContext): FileStage[] {
  const restores = planRestore(context.plan)
  if (restores.length === 0) return []
  return [
    {
      name: 'restore_cache',
      async run(work) {
        for (const warning of context.warnings) await work.log.warning(warning)
        for (const restore of restores) await restoreOne(context, restore, work)
      },
    },
  ]
}

async function restoreOne(context: CacheContext, { notes, keys }: CacheRestore, work: FileStageWork): Promise<void> {
  const { log } = work
  for (const { level, text } of notes) await (level === 'warning' ? log.warning(text) : log.line(text))
  for (const key of keys) {
    await log.line(`Checking cache for ${key}...`)
    const from = context.store === undefined ? fromMachine : fromStore
    const isThere = await tryCache(context, context.attempts, work, (signal) => from(context, key, work, signal))
    if (isThere === true) return log.line('Successfully extracted cache')
    if (isThere === false)
      await log.warning(context.store === undefined ? 'Cache file does not exist' : 'file does not exist')
    await log.warning('Failed to extract cache')
  }
}

/** False: there is none. */
async function fromMachine(
  { local, projectDir }: CacheContext,
  key: string,
  { environment, log }: FileStageWork,
  signal: AbortSignal,
): Promise<boolean> {
  await log.line(
    'No URL provided, cache will not be downloaded from shared cache server. Instead a local version of cache will be extracted.',
  )
  const command = restoreLocalCache({ ...local, key }, unpackCommand(projectDir, environment.helper?.opensFiles))
  return (await localCommand({ environment, command, signal }, localCacheStatus.missing)) === 0
}

/** False: there is none. */
async function fromStore(
  { store, projectId, projectDir }: CacheContext,
  key: string,
  { environment, log }: FileStageWork,
  signal: AbortSignal,
): Promise<boolean> {
  const content = await store!.download({ projectId, key }, signal)
  if (content === undefined) return false
  await log.line(`Downloading cache from the shared cache server`)
  const file = await ArchiveFile.receive(content, { limitBytes: defaultArchiveLimits.archiveBytes })
  try {
    await unpackArchive({
      environment,
      directory: projectDir,
      archive: await openArchive(file, { filename: 'cache.zip', outwardLinks: 'keep' }),
      signal,
    })
  } finally {
    await file.close()
  }
  return true
}
