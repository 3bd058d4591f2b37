import { execFileSync } from 'node:child_process'

/** This computer's address for the containers of its Engine. */
export function engineGateway(): string {
  const args = ['network', 'inspect', 'bridge', '-f', '{{(index .IPAM.Config 0).Gateway}}']
  return execFileSync('docker', args, { encoding: 'utf8' }).trim()
}
