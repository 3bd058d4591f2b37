import type { RecordedField } from './recorded-run.ts'

/** Something that this runner does in another way than GitLab Runner, on purpose. */
export interface MeantDifference {
  readonly field: RecordedField
  readonly payloads: readonly string[] | 'all'
  /**
   * Of a list, what each of its lines is that one side alone has, with `+` or `-` in front; of what is no list, both
   * sides as `+ ours\n- theirs`. Default: anything.
   */
  readonly lines?: RegExp
  /** As `docs/reference/compared-with-stock.md` has it. */
  readonly reason: string
}

const noSources = ['sources that cannot be had']
const noDependencies = ['ARTIFACT_DOWNLOAD_ATTEMPTS, and what is gone']

/** Known from reading GitLab Runner 19.4; none has been seen in a run of it yet. */
export const meantDifferences: readonly MeantDifference[] = [
  {
    field: 'stages',
    payloads: 'all',
    reason:
      'There is no section `cleanup_file_variables`: the clean-up is part of the same command as the script, and costs no round trip. It has one where a job is stopped, and where its steps left variables in `GITLAB_ENV` that name what it keeps.',
  },
  {
    field: 'trace',
    payloads: 'all',
    reason:
      'The words of the executor, of git and of the programs that move files are our own in places; the words of the job are not.',
  },
  {
    field: 'failureReason',
    payloads: noSources,
    reason:
      'Sources that cannot be had are `runner_system_failure`, so that `retry: when: runner_system_failure` sees it; GitLab Runner says `script_failure`.',
  },
  {
    field: 'exitCode',
    payloads: [...noSources, ...noDependencies],
    reason:
      "An exit code is told where it is the script's own; GitLab Runner tells that of git, and of its helper program, too.",
  },
]
