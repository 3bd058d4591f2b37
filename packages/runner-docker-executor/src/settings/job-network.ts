/** The network that the containers of one job are in. */
export interface JobNetwork {
  /** For `HostConfig.NetworkMode`. */
  readonly mode: string
  /** Whether the Engine's DNS knows the names of containers there, as in all networks that somebody made. */
  readonly hasNames: boolean
  /** Id of the network, where it was made for this job. */
  readonly madeId?: string
}
