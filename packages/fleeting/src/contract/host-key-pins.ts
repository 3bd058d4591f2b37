/**
 * Where the key is kept that an instance showed first, as `known_hosts` has it after the name: for as long as the
 * instance may be connected to.
 */
export interface HostKeyPins {
  get(instanceId: string): string | undefined
  set(instanceId: string, hostKey: string): void
  delete(instanceId: string): void
}
