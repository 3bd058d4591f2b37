import { compressZstd } from '../archive/compress/compress-zstd.ts'
import { writeGzip } from '../archive/compress/write-gzip.ts'
import { compressionLevel, type PackedFile } from '../archive/packed-file.ts'
import { writeTar } from '../archive/tar/write-tar.ts'
import { writeZip } from '../archive/zip/write-zip.ts'
import type { FileStage, FileStageWork } from '../files/file-stage.ts'
import { expanded, type LateVariablesReader } from '../files/read-late-variables.ts'
import { TransferError } from '../files/received.ts'
import { selectFiles } from '../files/select-files.ts'
import type { SelectedFiles } from '../files/selected-files.ts'
import { EnvironmentError } from '../job-environment.ts'
import { JobError } from '../job-error.ts'
import type { JobArtifact, JobPayload } from '../job-payload.ts'
import type { PlannedJob } from '../planned-job.ts'
import type { LateVariables } from '../variables/late-variables.ts'
import { type ArtifactDestination, ArtifactUploadError } from './artifact-destination.ts'
import { artifactFilename, isWanted } from './artifact-plan.ts'

export interface UploadContext {
  readonly payload: Pick<JobPayload, 'artifacts'>
  readonly plan: Pick<PlannedJob, 'projectDir' | 'expand'>
  readonly variables: Pick<LateVariablesReader, 'read'>
  /** Absent: there is no way to keep any. */
  readonly artifacts: ArtifactDestination | undefined
}

/** How often an archive is sent whose machine's connection broke under it. */
const cutTries = 3

/**
 * The stage after a job's scripts in which its artifacts are uploaded; none where there are none. The job fails when
 * some cannot be.
 */
export function uploadArtifacts(context: UploadContext, hasSucceeded: boolean): FileStage[] {
  const wanted = context.payload.artifacts.filter((artifact) => isWanted(artifact, hasSucceeded))
  if (wanted.length === 0) return []
  return [
    {
      name: hasSucceeded ? 'upload_artifacts_on_success' : 'upload_artifacts_on_failure',
      async run(work) {
        for (const artifact of wanted) await uploadOne(artifact, context, work)
      },
    },
  ]
}

async function uploadOne(artifact: JobArtifact, context: UploadContext, work: FileStageWork): Promise<void> {
  const { plan, artifacts: destination } = context
  const { log, signal } = work
  if (destination === undefined)
    throw new JobError('unsupported', 'runner_configuration_error', 'this runner cannot upload artifacts')
  await log.line('Uploading artifacts...')
  try {
    const variables = await context.variables.read(work)
    const files = await selectFiles(artifact, plan.projectDir, variables, work)
    if (files.isEmpty) {
      await log.error('No files to upload')
      return
    }
    const pack = packerOf(artifact, variables, files)
    const name =
      artifact.name === '' ? 'artifacts' : await expanded(artifact.name, 'invalid artifact name', variables, work)
    const type = artifact.artifact_type
    const prefix = `Uploading artifacts${type === '' ? '' : ` as ${JSON.stringify(type)}`} to coordinator...`
    const upload = {
      filename: artifactFilename(artifact, name),
      type,
      format: artifact.artifact_format,
      expireIn: plan.expand(artifact.expire_in),
      content: pack,
      report: (text: string) => log.warning(`${prefix} ${text}`),
      signal,
    }
    for (let attempt = 1; ; attempt++) {
      try {
        const status = await destination.upload(upload)
        for (const remark of files.remarks) await log.warning(remark)
        await log.line(`${prefix} ${status}`)
        return
      } catch (error) {
        const isCut = error instanceof EnvironmentError && error.code === 'cut'
        if (!isCut || attempt === cutTries) throw error
        await log.warning(`${prefix} the connection to the instance was lost: sending them again`)
      }
    }
  } catch (error) {
    const failure = asFailure(error, signal)
    await log.error(failure.message)
    throw failure
  }
}

type Pack = (signal: AbortSignal) => AsyncIterable<Buffer>

function packerOf(
  { artifact_format: format }: JobArtifact,
  variables: Pick<LateVariables, 'setting'>,
  files: SelectedFiles,
): Pack {
  const level = compressionLevel(variables.setting('ARTIFACT_COMPRESSION_LEVEL'))
  const all = (signal: AbortSignal): AsyncGenerator<PackedFile, void, undefined> => files.files(signal, 'leave out')
  switch (format) {
    case '':
    case 'zip':
      return (signal) => writeZip(all(signal), level)
    case 'zipzstd':
    case 'tarzstd':
      return (signal) =>
        format === 'zipzstd' ? writeZip(all(signal), level, 'zstd') : compressZstd(writeTar(all(signal)), level)
    case 'gzip':
      return (signal) => writeGzip(all(signal), level)
    case 'raw':
      if (files.count > 1)
        throw new JobError('artifacts_failed', 'script_failure', 'only one file can be uploaded as raw')
      return (signal) => rawBytes(all(signal))
    default:
      throw new JobError(
        'artifacts_failed',
        'runner_configuration_error',
        `artifacts of format ${JSON.stringify(format)} are not supported`,
      )
  }
}

async function* rawBytes(files: AsyncIterable<PackedFile>): AsyncGenerator<Buffer, void, undefined> {
  for await (const { type, bytes, path } of files) {
    if (type !== 'file')
      throw new JobError(
        'artifacts_failed',
        'script_failure',
        `only a file can be uploaded as raw: ${JSON.stringify(path.toString())} is a ${type}`,
      )
    yield* bytes
  }
}

/** What the job fails with. What ends it anyway passes as it is. */
function asFailure(error: unknown, signal: AbortSignal): JobError {
  signal.throwIfAborted()
  if (error instanceof JobError || (error instanceof EnvironmentError && error.code === 'lost')) throw error
  const message = error instanceof Error ? error.message : String(error)
  // Nobody else could do better with what the job made.
  const isJobs = (error instanceof ArtifactUploadError && error.code !== 'failed') || error instanceof TransferError
  return new JobError(
    'artifacts_failed',
    isJobs ? 'script_failure' : 'runner_system_failure',
    `artifacts could not be uploaded: ${message}`,
    {
      cause: error,
    },
  )
}
