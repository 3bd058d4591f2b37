import { execFileSync } from 'node:child_process'

interface InspectedNetwork {
  readonly IPAM: { readonly Config: readonly { readonly Gateway?: string; readonly Subnet: string }[] }
}

/**
 * This computer's address for the containers of its Engine. Until its second start Docker 20.10 does not tell the
 * gateway of its default network: then it is the first address of the subnet.
 */
export function engineGateway(): string {
  const text = execFileSync('docker', ['network', 'inspect', 'bridge'], { encoding: 'utf8' })
  const [network] = JSON.parse(text) as readonly InspectedNetwork[]
  const { Gateway: gateway, Subnet: subnet } = network!.IPAM.Config[0]!
  return gateway || subnet.replace(/\.0\/\d+$/, '.1')
}
