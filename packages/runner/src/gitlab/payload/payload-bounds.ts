import { longestMaskedVariables } from '@runner-core/job'

/** How much of one field a job may hold. */
export interface PayloadBound {
  /** As a message names it; `[]` stands for each item of a list. */
  readonly field: string
  readonly most: number
  readonly unit: 'bytes' | 'characters' | 'items'
}

const characters = (most: number, ...fields: readonly string[]): readonly PayloadBound[] =>
  fields.map((field) => ({ field, most, unit: 'characters' }))
const items = (most: number, ...fields: readonly string[]): readonly PayloadBound[] =>
  fields.map((field) => ({ field, most, unit: 'items' }))

/** Of an answer with a job. GitLab's own limits are far lower. */
export const longestJobBytes: number = 16_777_216

/** Fields that stand in no list and are not named below are numbers, flags, or ignored. */
export const payloadBounds: readonly PayloadBound[] = [
  { field: 'body', most: longestJobBytes, unit: 'bytes' },
  ...characters(1_024, 'token'),
  ...characters(8_192, 'job_info.name', 'job_info.stage', 'job_info.project_name', 'job_info.project_full_path'),
  ...characters(64, 'job_info.project_jobs_running_on_instance_runners_count'),
  ...characters(8_192, 'git_info.repo_url', 'git_info.ref', 'git_info.refspecs[]'),
  ...characters(64, 'git_info.repo_object_format', 'git_info.ref_type'),
  ...characters(128, 'git_info.sha', 'git_info.before_sha'),
  ...items(10_000, 'git_info.refspecs'),
  ...items(20_000, 'variables'),
  ...characters(1_024, 'variables[].key'),
  ...characters(4_194_304, 'variables[].value'),
  { field: 'variables[].value of masked variables together', most: longestMaskedVariables, unit: 'characters' },
  ...items(100, 'steps', 'hooks'),
  ...characters(255, 'steps[].name', 'steps[].when', 'hooks[].name'),
  ...items(100_000, 'steps[].script', 'hooks[].script'),
  // A file of CI configuration has 2 MiB at most by default (GitLab's `max_yaml_size_bytes`).
  ...characters(2_097_152, 'steps[].script[]', 'hooks[].script[]'),
  ...items(100, 'cache'),
  ...items(100, 'cache[].fallback_keys'),
  ...characters(65_536, 'cache[].key', 'cache[].fallback_keys[]', 'cache[].policy', 'cache[].when'),
  ...items(1_000, 'artifacts'),
  ...characters(65_536, 'artifacts[].name', 'artifacts[].expire_in'),
  ...characters(255, 'artifacts[].when', 'artifacts[].artifact_type', 'artifacts[].artifact_format'),
  ...items(10_000, 'artifacts[].paths', 'artifacts[].exclude', 'cache[].paths'),
  ...characters(65_536, 'artifacts[].paths[]', 'artifacts[].exclude[]', 'cache[].paths[]'),
  ...items(10_000, 'dependencies'),
  ...characters(8_192, 'dependencies[].token', 'dependencies[].name', 'dependencies[].artifacts_file.filename'),
  ...items(100, 'services'),
  ...['image', 'services[]'].flatMap((path) => [
    ...characters(8_192, `${path}.name`),
    ...items(100, `${path}.entrypoint`, `${path}.pull_policy`),
    ...characters(65_536, `${path}.entrypoint[]`),
    ...characters(
      255,
      `${path}.pull_policy[]`,
      `${path}.executor_opts.docker.user`,
      `${path}.executor_opts.docker.platform`,
    ),
  ]),
  ...characters(8_192, 'services[].alias'),
  ...items(1_000, 'services[].command', 'services[].variables'),
  ...characters(65_536, 'services[].command[]', 'services[].variables[].value'),
  ...characters(1_024, 'services[].variables[].key'),
  ...items(100, 'credentials'),
  ...characters(8_192, 'credentials[].type', 'credentials[].url', 'credentials[].username'),
  ...characters(65_536, 'credentials[].password'),
  ...items(1_000, 'features.token_mask_prefixes', 'features.failure_reasons'),
  ...characters(255, 'features.token_mask_prefixes[]', 'features.failure_reasons[]'),
]

const byField: ReadonlyMap<string, PayloadBound> = new Map(payloadBounds.map((bound) => [bound.field, bound]))

/** The bound of what stands at a path such as `variables[3].key`. Thrown: an `Error` where the table forgot it. */
export function boundAt(path: string): PayloadBound {
  const bound = byField.get(path.includes('[') ? path.replaceAll(/\[\d+\]/g, '[]') : path)
  if (bound === undefined) throw new Error(`no bound for ${path}`)
  return bound
}
