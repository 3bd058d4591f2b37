import { buildImage } from '@runner-core/fleeting-plugin-docker'
import Docker from 'dockerode'

/** What jobs run in. */
export const image = 'runner-core-sshd-git'

/**
 * Makes the image, with git, unless it is there. Thrown: when no Docker Engine answers, or the image cannot be made.
 */
export async function makeImage(): Promise<void> {
  const found = await new Docker().listImages({ filters: { reference: [image] } }).catch((cause: Error) => {
    throw new Error(`this example needs a Docker Engine that answers (${cause.message})`, { cause })
  })
  if (found.length > 0) return
  console.log(`making the image ${image} …`)
  await buildImage({ image, packages: ['git', 'ca-certificates'] })
}

interface InspectedNetwork {
  readonly IPAM?: { readonly Config?: readonly { readonly Gateway?: string; readonly Subnet: string }[] }
}

/**
 * The address under which containers reach this machine: the gateway of Docker's default network. Before its second
 * start an Engine may not tell it: then it is the first address of the subnet.
 */
export async function hostAddress(): Promise<string> {
  const { IPAM } = (await new Docker().getNetwork('bridge').inspect()) as InspectedNetwork
  const config = IPAM?.Config?.[0]
  if (config === undefined) throw new Error('the network "bridge" of Docker has no addresses')
  return config.Gateway || config.Subnet.replace(/\.0\/\d+$/, '.1')
}

/** Removes what the jobs left for the next ones of their project. */
export async function removeCaches(): Promise<void> {
  const docker = new Docker()
  const { Volumes: volumes } = await docker.listVolumes({ filters: { label: ['dev.runner-core.caches-of'] } })
  const own = volumes.filter(({ Labels: labels }) => labels['dev.runner-core.caches-of']?.startsWith('pipeline/'))
  await Promise.all(own.map(({ Name: name }) => docker.getVolume(name).remove()))
}
