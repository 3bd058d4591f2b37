import { buildImage } from '@runner-core/fleeting-plugin-docker'
import Docker from 'dockerode'

const image = 'runner-core-sshd'
const fleetLabel = 'runner-core.fleet'

/**
 * Makes the instances' image unless it is there. Thrown: when no Docker Engine answers, or the image cannot be made.
 */
export async function ensureImage(): Promise<void> {
  const found = await new Docker().listImages({ filters: { reference: [image] } }).catch((cause: Error) => {
    throw new Error(`plugin docker needs a Docker Engine that answers (${cause.message})`, { cause })
  })
  if (found.length > 0) return
  console.log(`making the image ${image} …`)
  await buildImage({ image })
}

/** Containers of the fleet that are still there, each worded for people. */
export async function leftContainers(fleet: string): Promise<readonly string[]> {
  const containers = await new Docker().listContainers({ all: true, filters: { label: [`${fleetLabel}=${fleet}`] } })
  return containers.map(({ Id, Names, State }) => `container ${Id.slice(0, 12)} (${Names[0]}, ${State})`)
}
