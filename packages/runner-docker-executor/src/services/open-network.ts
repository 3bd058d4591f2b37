import type { Engine } from '../engine/engine.ts'
import { EngineError } from '../engine/engine-error.ts'
import type { DockerSettings, StringMap } from '../settings/docker-settings.ts'
import type { JobNetwork } from '../settings/job-network.ts'

type NetworkSettings = Pick<DockerSettings, 'networkMode' | 'networkMtu' | 'enableIpv6' | 'links'>

export interface NetworkDemand {
  readonly settings: NetworkSettings
  readonly hasServices: boolean
  /** `FF_NETWORK_PER_BUILD`. */
  readonly asksForOwn: boolean
}

/** Networks whose containers the Engine's DNS does not know. */
const nameless = /^(default|bridge|host|none|container:.*)$/

/** The network that a job is in, or `own`: one that is to be made for it. */
export function chooseNetwork({ settings, hasServices, asksForOwn }: NetworkDemand): JobNetwork | 'own' {
  const { networkMode, links } = settings
  if (networkMode !== undefined) return { mode: networkMode, hasNames: !nameless.test(networkMode) }
  // What jobs are linked to is on the bridge.
  const needsOwn = asksForOwn || (hasServices && links.length === 0)
  return needsOwn ? 'own' : { mode: 'default', hasNames: false }
}

export interface OpenNetworkOptions extends NetworkDemand {
  /** Of a network that is made. Unique for this attempt to run the job. */
  readonly name: string
  readonly labels: StringMap
}

/**
 * Makes the job's own network, where it needs one. Thrown: `EngineError`; `no_addresses` says what an operator can do.
 */
export async function openNetwork(
  engine: Engine,
  { name, labels, ...demand }: OpenNetworkOptions,
  signal: AbortSignal,
): Promise<JobNetwork> {
  const chosen = chooseNetwork(demand)
  if (chosen !== 'own') return chosen
  const { networkMtu, enableIpv6 } = demand.settings
  try {
    const { id } = await engine.call('making the network of the job', signal, (docker, abortSignal) =>
      docker.createNetwork({
        Name: name,
        CheckDuplicate: true,
        Labels: { ...labels },
        EnableIPv6: enableIpv6,
        Options: { ...(networkMtu !== undefined && { 'com.docker.network.driver.mtu': String(networkMtu) }) },
        abortSignal,
      }),
    )
    return { mode: name, hasNames: true, madeId: id }
  } catch (error) {
    if (!(error instanceof EngineError) || error.code !== 'no_addresses') throw error
    const advice = 'remove unused networks, or widen default-address-pools of the Engine'
    throw new EngineError('no_addresses', `${error.message}: ${advice}`, { cause: error, status: error.status })
  }
}

/** Removes the job's own network, which is empty. One that is gone is no error. Thrown: `EngineError`. */
export async function closeNetwork(engine: Engine, { madeId }: JobNetwork, signal: AbortSignal): Promise<void> {
  if (madeId === undefined) return
  try {
    await engine.call('removing the network of the job', signal, (docker, abortSignal) =>
      docker.getNetwork(madeId).remove({ abortSignal }),
    )
  } catch (error) {
    if (!(error instanceof EngineError && error.code === 'not_found')) throw error
  }
}
