import { ArchiveError } from '../archive/archive-error.ts'
import { ArchiveFile } from '../archive/archive-file.ts'
import { defaultArchiveLimits } from '../archive/archive-limits.ts'
import { openArchive } from '../archive/open-archive.ts'
import type { FileStage, FileStageWork } from '../files/file-stage.ts'
import { pause } from '../files/pause.ts'
import { unpackArchive } from '../files/unpack-archive.ts'
import { formatGoDuration } from '../go-duration.ts'
import { EnvironmentError } from '../job-environment.ts'
import { JobError } from '../job-error.ts'
import type { JobDependency } from '../job-payload.ts'
import { ArtifactDownloadError } from './artifact-source.ts'
import type { DependencyContext } from './dependency-context.ts'

/** Of one archive, within one try of the stage. */
const downloadTries = 3
const betweenDownloadsMs = 1000
/** Between tries of the stage: doubled each time. */
const shortestPauseMs = 5000
const longestPauseMs = 5 * 60_000
/** How often an archive is unpacked whose connection broke under it. */
const unpackTries = 3

/**
 * The stage before a job's steps in which artifacts of earlier jobs come to the machine; none where those jobs left
 * none. The job fails when some cannot be had.
 */
export function downloadArtifacts(context: DependencyContext): FileStage[] {
  if (context.dependencies.length === 0) return []
  return [
    {
      name: 'download_artifacts',
      async run(work) {
        for (const warning of context.warnings) await work.log.warning(warning)
        for (let attempt = 1; ; attempt++) {
          try {
            for (const dependency of context.dependencies) await bring(dependency, context, work)
            return
          } catch (error) {
            const failure = asFailure(error, work.signal)
            if (attempt >= context.attempts || isFinal(error)) throw failure
            await work.log.warning(failure.message)
            const pauseMs = Math.min(shortestPauseMs * 2 ** (attempt - 1), longestPauseMs)
            await work.log.line(`Retrying in ${formatGoDuration(pauseMs)}`)
            await pause(context.clock, pauseMs, work.signal)
          }
        }
      },
    },
  ]
}

async function bring(dependency: JobDependency, context: DependencyContext, work: FileStageWork): Promise<void> {
  const { projectDir } = context
  await work.log.line(`Downloading artifacts for ${dependency.name} (${dependency.id})...`)
  const file = await receive(dependency, context, work)
  try {
    await work.log.line(`Downloading artifacts from coordinator... ok  id=${dependency.id}`)
    await unpack(await openArchive(file, { filename: dependency.filename }), projectDir, work)
  } finally {
    await file.close()
  }
}

/** Downloads an archive as a whole: only then it is known what it holds. */
async function receive(
  dependency: JobDependency,
  { source, mayBeElsewhere, clock }: DependencyContext,
  work: FileStageWork,
): Promise<ArchiveFile> {
  const { log, signal } = work
  if (source === undefined)
    throw new JobError(
      'unsupported',
      'runner_configuration_error',
      'this runner cannot download artifacts of earlier jobs',
    )
  for (let attempt = 1; ; attempt++) {
    try {
      // Where it is elsewhere, that place may be out of our reach: then the coordinator itself is asked.
      const bytes = await source.download(dependency, { mayBeElsewhere: mayBeElsewhere && attempt === 1, signal })
      return await ArchiveFile.receive(bytes, { limitBytes: defaultArchiveLimits.archiveBytes })
    } catch (error) {
      signal.throwIfAborted()
      if (!(error instanceof ArtifactDownloadError)) throw error
      await log.warning(
        `Downloading artifacts from coordinator... ${wordings[error.code]}  id=${dependency.id}: ${error.message}`,
      )
      if (error.code !== 'failed' || attempt === downloadTries) throw error
      await log.warning('Retrying...')
      await pause(clock, betweenDownloadsMs, signal)
    }
  }
}

const wordings: Readonly<Record<ArtifactDownloadError['code'], string>> = {
  unauthorized: 'unauthorized',
  forbidden: 'forbidden',
  not_found: 'not found',
  failed: 'failed',
}

async function unpack(
  archive: Awaited<ReturnType<typeof openArchive>>,
  directory: string,
  { environment, log, signal }: FileStageWork,
): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await unpackArchive({ environment, directory, archive, signal })
    } catch (error) {
      const isCut = error instanceof EnvironmentError && error.code === 'cut'
      if (!isCut || attempt === unpackTries) throw error
      await log.warning('The connection was lost while artifacts were unpacked: unpacking them again')
    }
  }
}

/** What the job fails with. What ends it anyway passes as it is. */
function asFailure(error: unknown, signal: AbortSignal): JobError {
  signal.throwIfAborted()
  if (error instanceof JobError || error instanceof EnvironmentError) throw error
  const message = error instanceof Error ? error.message : String(error)
  const options = { cause: error }
  return new JobError(
    'dependencies_failed',
    isAnswer(error) ? 'script_failure' : 'runner_system_failure',
    `artifacts of an earlier job could not be downloaded: ${message}`,
    options,
  )
}

/** It is known what is wrong with them, and it is nobody's fault here. */
function isAnswer(error: unknown): boolean {
  if (error instanceof ArchiveError) return error.code !== 'no_space'
  return error instanceof ArtifactDownloadError && error.code !== 'failed'
}

/** No other try would come to something else. */
function isFinal(error: unknown): boolean {
  return error instanceof ArchiveError && ['unsafe', 'too_large', 'unsupported'].includes(error.code)
}
