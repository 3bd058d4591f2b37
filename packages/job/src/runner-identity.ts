/** What a job is told about the runner that runs it. */
export interface RunnerIdentity {
  /** As configured, `[[runners]] name`. */
  readonly name: string
  readonly version: string
  readonly revision: string
  /** The first characters of the runner's token: told to people, and part of the build directory. */
  readonly shortToken: string
  readonly systemId: string
  /** The manager's host name. */
  readonly hostname: string
  /** The executor's name, `instance`. */
  readonly executor: string
  /** Of the manager: `linux/amd64`. */
  readonly architecture: string
}
