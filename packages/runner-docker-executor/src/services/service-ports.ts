/** Ports that are tried; an image may expose thousands. */
const maxPorts = 20

/**
 * The TCP ports by which a container is known to be up, lowest first: that of its variable `HEALTHCHECK_TCP_PORT`, else
 * those that it exposes.
 */
export function servicePorts(config: {
  readonly Env?: readonly string[] | null
  readonly ExposedPorts?: Readonly<Record<string, unknown>> | null
}): readonly number[] {
  const named = (config.Env ?? []).flatMap((variable) => /^HEALTHCHECK_TCP_PORT=(\d{1,5})$/i.exec(variable)?.[1] ?? [])
  const exposed = Object.keys(config.ExposedPorts ?? {}).flatMap(
    (port) => /^(\d{1,5})(?:\/tcp)?$/.exec(port)?.[1] ?? [],
  )
  const ports = (named.length > 0 ? named.slice(0, 1) : exposed).map(Number).filter((port) => port > 0 && port < 65_536)
  return ports.toSorted((one, other) => one - other).slice(0, maxPorts)
}
