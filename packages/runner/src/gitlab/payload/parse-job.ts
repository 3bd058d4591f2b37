import type {
  GitInfo,
  JobArtifact,
  JobCache,
  JobCredential,
  JobDependency,
  JobFeatures,
  JobHook,
  JobImage,
  JobInfo,
  JobPayload,
  JobService,
  JobStep,
  JobVariable,
} from '@runner-core/job'
import type { HttpAnswer } from '../http/exchange.ts'
import { FieldReader, kindOf } from './field-reader.ts'
import { boundAt, longestJobBytes } from './payload-bounds.ts'

/** What calls about a job need. */
export interface JobCredentials {
  readonly id: number
  readonly token: string
}

export type ParsedJob =
  | { readonly job: JobPayload }
  | {
      readonly problems: readonly string[] /** Where they could be read: the job can be given back then. */
      readonly credentials?: JobCredentials
    }

const defaultTimeoutSeconds = 7200

/**
 * Reads the answer to a request for a job. Unknown fields are ignored, missing ones have their zero value, wrong ones
 * are all named.
 */
export function parseJob({ headers, body }: Pick<HttpAnswer, 'headers' | 'body'>): ParsedJob {
  const reader = new FieldReader()
  const contentType = headers['content-type'] ?? 'nothing'
  if (!/^application\/json\b/i.test(contentType))
    reader.problems.push(`content-type: expected application/json, got ${contentType}`)
  if (body.length > longestJobBytes) {
    const credentials = credentialsAtTheBeginning(body)
    return { problems: [`body: more than ${longestJobBytes} bytes`], ...(credentials && { credentials }) }
  }
  let value: unknown
  try {
    value = JSON.parse(body.toString())
  } catch {
    return { problems: [...reader.problems, 'body: expected JSON, got something else'] }
  }
  const fields = reader.object(value, 'body')
  const credentials = readCredentials(fields, reader)
  const job = readJob(fields, reader)
  if (credentials && reader.problems.length === 0) return { job: { ...credentials, ...job } }
  return { problems: shortened(reader.problems), ...(credentials && { credentials }) }
}

/** Of a body that is too long to be read. GitLab puts them first. */
function credentialsAtTheBeginning(body: Buffer): JobCredentials | undefined {
  const [, id, token] =
    /^\s*\{\s*"id"\s*:\s*([1-9]\d{0,15})\s*,\s*"token"\s*:\s*"([\x21\x23-\x5b\x5d-\x7e]{1,1024})"/.exec(
      body.toString('latin1', 0, 2048),
    ) ?? []
  return id === undefined || !Number.isSafeInteger(Number(id)) ? undefined : { id: Number(id), token: token! }
}

/** A list that is wrong in each of its thousands of items need not be told in full. */
function shortened(problems: readonly string[]): readonly string[] {
  const most = 50
  return problems.length <= most ? problems : [...problems.slice(0, most), `and ${problems.length - most} more`]
}

function readCredentials(
  { id, token }: Readonly<Record<string, unknown>>,
  reader: FieldReader,
): JobCredentials | undefined {
  const hasId = Number.isSafeInteger(id) && (id as number) > 0
  // It goes into headers.
  const hasToken = isToken(token)
  if (!hasId) reader.problems.push(`id: expected a positive integer, got ${kindOf(id)}`)
  if (!hasToken) reader.problems.push(`token: expected a string of visible ASCII characters, got ${kindOf(token)}`)
  return hasId && hasToken ? { id: id as number, token } : undefined
}

function readJob(
  fields: Readonly<Record<string, unknown>>,
  reader: FieldReader,
): Omit<JobPayload, keyof JobCredentials> {
  const timeout = reader.integer(reader.object(fields['runner_info'], 'runner_info')['timeout'], 'runner_info.timeout')
  return {
    allow_git_fetch: reader.boolean(fields['allow_git_fetch'], 'allow_git_fetch'),
    job_info: readJobInfo(fields['job_info'], reader),
    git_info: readGitInfo(fields['git_info'], reader),
    timeout_seconds: timeout > 0 ? timeout : defaultTimeoutSeconds,
    variables: readVariables(fields['variables'], reader),
    steps: reader.array(fields['steps'], 'steps', (item, path) => readStep(item, path, reader)),
    hooks: reader.array(fields['hooks'], 'hooks', (item, path) => readHook(item, path, reader)),
    artifacts: reader.array(fields['artifacts'], 'artifacts', (item, path) => readArtifact(item, path, reader)),
    dependencies: reader.array(fields['dependencies'], 'dependencies', (item, path) =>
      readDependency(item, path, reader),
    ),
    cache: reader.array(fields['cache'], 'cache', (item, path) => readCache(item, path, reader)),
    features: readFeatures(fields['features'], reader),
    image: isPresent(fields['image']) ? readImage(reader.object(fields['image'], 'image'), 'image', reader) : undefined,
    services: reader.array(fields['services'], 'services', (item, path) => readService(item, path, reader)),
    credentials: reader.array(fields['credentials'], 'credentials', (item, path) => readCredential(item, path, reader)),
    unsupported: dispensableParts.filter((part) => isPresent(fields[part])),
  }
}

function readJobInfo(value: unknown, reader: FieldReader): JobInfo {
  const fields = reader.object(value, 'job_info')
  const optional = (name: string): number | undefined =>
    fields[name] === undefined || fields[name] === null ? undefined : reader.integer(fields[name], `job_info.${name}`)
  return {
    name: reader.string(fields['name'], 'job_info.name'),
    stage: reader.string(fields['stage'], 'job_info.stage'),
    project_id: reader.integer(fields['project_id'], 'job_info.project_id'),
    project_name: reader.string(fields['project_name'], 'job_info.project_name'),
    project_full_path: reader.string(fields['project_full_path'], 'job_info.project_full_path'),
    time_in_queue_seconds: reader.number(fields['time_in_queue_seconds'], 'job_info.time_in_queue_seconds'),
    project_jobs_running_on_instance_runners_count: reader.string(
      fields['project_jobs_running_on_instance_runners_count'],
      'job_info.project_jobs_running_on_instance_runners_count',
    ),
    queue_size: optional('queue_size'),
    queue_depth: optional('queue_depth'),
  }
}

function readGitInfo(value: unknown, reader: FieldReader): GitInfo {
  const fields = reader.object(value, 'git_info')
  return {
    repo_url: reader.string(fields['repo_url'], 'git_info.repo_url'),
    repo_object_format: reader.string(fields['repo_object_format'], 'git_info.repo_object_format'),
    ref: reader.string(fields['ref'], 'git_info.ref'),
    sha: reader.string(fields['sha'], 'git_info.sha'),
    before_sha: reader.string(fields['before_sha'], 'git_info.before_sha'),
    ref_type: reader.string(fields['ref_type'], 'git_info.ref_type'),
    refspecs: reader.strings(fields['refspecs'], 'git_info.refspecs'),
    depth: reader.integer(fields['depth'], 'git_info.depth'),
  }
}

function readVariables(value: unknown, reader: FieldReader): JobVariable[] {
  const variables = reader.array(value, 'variables', (item, path) => readVariable(item, path, reader))
  const masked = variables.reduce((sum, variable) => sum + (variable.masked ? variable.value.length : 0), 0)
  reader.isWithin(masked, 'variables[].value of masked variables together')
  return variables
}

function readVariable(value: unknown, path: string, reader: FieldReader): JobVariable {
  const fields = reader.object(value, path)
  return {
    key: reader.string(fields['key'], `${path}.key`),
    value: reader.string(fields['value'], `${path}.value`),
    public: reader.boolean(fields['public'], `${path}.public`),
    file: reader.boolean(fields['file'], `${path}.file`),
    masked: reader.boolean(fields['masked'], `${path}.masked`),
    raw: reader.boolean(fields['raw'], `${path}.raw`),
  }
}

function readStep(value: unknown, path: string, reader: FieldReader): JobStep {
  const fields = reader.object(value, path)
  return {
    name: reader.string(fields['name'], `${path}.name`),
    script: reader.strings(fields['script'], `${path}.script`),
    timeout: reader.integer(fields['timeout'], `${path}.timeout`),
    when: reader.string(fields['when'], `${path}.when`),
    allow_failure: reader.boolean(fields['allow_failure'], `${path}.allow_failure`),
  }
}

function readHook(value: unknown, path: string, reader: FieldReader): JobHook {
  const fields = reader.object(value, path)
  return {
    name: reader.string(fields['name'], `${path}.name`),
    script: reader.strings(fields['script'], `${path}.script`),
  }
}

function readCache(value: unknown, path: string, reader: FieldReader): JobCache {
  const fields = reader.object(value, path)
  return {
    key: reader.string(fields['key'], `${path}.key`),
    fallback_keys: reader.strings(fields['fallback_keys'], `${path}.fallback_keys`),
    untracked: reader.boolean(fields['untracked'], `${path}.untracked`),
    policy: reader.string(fields['policy'], `${path}.policy`),
    paths: reader.strings(fields['paths'], `${path}.paths`),
    when: reader.string(fields['when'], `${path}.when`),
  }
}

function readArtifact(value: unknown, path: string, reader: FieldReader): JobArtifact {
  const fields = reader.object(value, path)
  return {
    name: reader.string(fields['name'], `${path}.name`),
    untracked: reader.boolean(fields['untracked'], `${path}.untracked`),
    paths: reader.strings(fields['paths'], `${path}.paths`),
    exclude: reader.strings(fields['exclude'], `${path}.exclude`),
    when: reader.string(fields['when'], `${path}.when`),
    artifact_type: reader.string(fields['artifact_type'], `${path}.artifact_type`),
    artifact_format: reader.string(fields['artifact_format'], `${path}.artifact_format`),
    expire_in: reader.string(fields['expire_in'], `${path}.expire_in`),
  }
}

function readDependency(value: unknown, path: string, reader: FieldReader): JobDependency {
  const fields = reader.object(value, path)
  const filename = reader.string(
    reader.object(fields['artifacts_file'], `${path}.artifacts_file`)['filename'],
    `${path}.artifacts_file.filename`,
  )
  const token = reader.string(fields['token'], `${path}.token`)
  // It goes into headers.
  if (filename !== '' && !isToken(token)) reader.problems.push(`${path}.token: expected visible ASCII characters`)
  return {
    id: reader.integer(fields['id'], `${path}.id`),
    token,
    name: reader.string(fields['name'], `${path}.name`),
    filename,
  }
}

function readFeatures(value: unknown, reader: FieldReader): JobFeatures {
  const fields = reader.object(value, 'features')
  return {
    trace_sections: reader.boolean(fields['trace_sections'], 'features.trace_sections'),
    token_mask_prefixes: reader.strings(fields['token_mask_prefixes'], 'features.token_mask_prefixes'),
    failure_reasons: reader.strings(fields['failure_reasons'], 'features.failure_reasons'),
  }
}

function isToken(value: unknown): value is string {
  return typeof value === 'string' && value.length <= boundAt('token').most && /^[\x21-\x7e]+$/.test(value)
}

function readImage(fields: Readonly<Record<string, unknown>>, path: string, reader: FieldReader): JobImage {
  const options = reader.object(fields['executor_opts'], `${path}.executor_opts`)
  const docker = reader.object(options['docker'], `${path}.executor_opts.docker`)
  const { user } = docker
  return {
    name: reader.string(fields['name'], `${path}.name`),
    entrypoint: reader.strings(fields['entrypoint'], `${path}.entrypoint`),
    pull_policy: reader.strings(fields['pull_policy'], `${path}.pull_policy`),
    // YAML makes a number of an id.
    user: reader.string(typeof user === 'number' ? `${user}` : user, `${path}.executor_opts.docker.user`),
    platform: reader.string(docker['platform'], `${path}.executor_opts.docker.platform`),
  }
}

function readService(value: unknown, path: string, reader: FieldReader): JobService {
  const fields = reader.object(value, path)
  return {
    ...readImage(fields, path, reader),
    alias: reader.string(fields['alias'], `${path}.alias`),
    command: reader.strings(fields['command'], `${path}.command`),
    variables: reader.array(fields['variables'], `${path}.variables`, (item, itemPath) =>
      readVariable(item, itemPath, reader),
    ),
  }
}

function readCredential(value: unknown, path: string, reader: FieldReader): JobCredential {
  const fields = reader.object(value, path)
  return {
    type: reader.string(fields['type'], `${path}.type`),
    url: reader.string(fields['url'], `${path}.url`),
    username: reader.string(fields['username'], `${path}.username`),
    password: reader.string(fields['password'], `${path}.password`),
  }
}

/** Parts of a job that not every executor can do. */
const dispensableParts = ['image', 'services', 'secrets', 'run']

/** Not absent, not empty, and of an object like an image not without its name. */
function isPresent(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return value !== undefined && value !== null && value !== ''
  if ('name' in value) return value.name !== ''
  return Object.keys(value).length > 0
}
