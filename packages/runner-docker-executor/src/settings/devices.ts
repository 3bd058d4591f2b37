/** A device of the Engine's machine, in a container. */
export interface DeviceMapping {
  readonly hostPath: string
  readonly containerPath: string
  /** Of `rwm`. */
  readonly permissions: string
}

/** `/dev/host[:/dev/container[:rwm]]`; undefined: it is no such thing. */
export function parseDevice(text: string): DeviceMapping | undefined {
  const [hostPath = '', containerPath = hostPath, permissions = 'rwm', ...more] = text.split(':')
  const isDevice =
    hostPath.startsWith('/') && containerPath.startsWith('/') && /^[rwm]{1,3}$/.test(permissions) && more.length === 0
  return isDevice ? { hostPath, containerPath, permissions } : undefined
}
