/** What tells runners apart in every metric, as in GitLab Runner's. */
export interface RunnerLabels {
  /** The short token. */
  readonly runner: string
  readonly runner_name: string
  readonly system_id: string
}

export const runnerLabelNames: (keyof RunnerLabels)[] = ['runner', 'runner_name', 'system_id']
