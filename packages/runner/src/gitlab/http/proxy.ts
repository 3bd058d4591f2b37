import { BlockList, isIP } from 'node:net'

/** Environment variables, such as `process.env`. */
export type Environment = Readonly<Record<string, string | undefined>>

/**
 * The proxy that requests to `target` go through, by `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` (or in lower case) as
 * Go programs read them: `NO_PROXY` lists `*`, host names (`example.com` holds for its subdomains too, `.example.com`
 * for these alone), IP addresses and CIDR ranges, each but the last with a port where wanted; loopback addresses and
 * `localhost` never go through a proxy. A proxy without a scheme is `http://`.
 *
 * Thrown: `TypeError` when the variable holds no URL.
 */
export function proxyFor(target: URL, environment: Environment): URL | undefined {
  const variable = target.protocol === 'https:' ? 'HTTPS_PROXY' : 'HTTP_PROXY'
  const proxy = read(environment, variable)
  if (proxy === '' || isLoopback(hostOf(target)) || isExcluded(target, read(environment, 'NO_PROXY'))) return undefined
  return new URL(/^[a-z0-9]+:\/\//i.test(proxy) ? proxy : `http://${proxy}`)
}

function read(environment: Environment, variable: string): string {
  return environment[variable] || environment[variable.toLowerCase()] || ''
}

/** IPv6 addresses without their brackets. */
function hostOf(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '')
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || inRange(host, '127.0.0.0', 8) || host === '::1'
}

function isExcluded(target: URL, list: string): boolean {
  const host = hostOf(target)
  const port = target.port || (target.protocol === 'https:' ? '443' : '80')
  return list
    .split(',')
    .map((entry) => entry.trim().toLowerCase())
    .some((entry) => entry === '*' || excludes(entry, host, port))
}

function excludes(entry: string, host: string, port: string): boolean {
  const [network, bits] = entry.split('/')
  if (network && bits) return inRange(host, network, Number(bits))
  const [, name = entry, wantedPort] = /^\[?([^\]]+?)\]?:(\d+)$/.exec(isIP(entry) === 6 ? '' : entry) ?? []
  if (name === '' || (wantedPort !== undefined && wantedPort !== port)) return false
  if (name.startsWith('.')) return host.endsWith(name)
  return host === name || (isIP(host) === 0 && host.endsWith(`.${name.replace(/^\*\./, '')}`))
}

function inRange(host: string, network: string, bits: number): boolean {
  const family = isIP(host)
  if (family === 0 || family !== isIP(network)) return false
  const list = new BlockList()
  try {
    list.addSubnet(network, bits, family === 4 ? 'ipv4' : 'ipv6')
  } catch {
    return false
  }
  return list.check(host, family === 4 ? 'ipv4' : 'ipv6')
}
