import { type LookupAddress, type LookupOptions, lookup as systemLookup } from 'node:dns'
import { BlockList, isIP, type LookupFunction } from 'node:net'

/**
 * What an address is part of. `reserved`: the link itself and what clouds tell their instances by, secrets included.
 */
export type AddressKind = 'reserved' | 'private' | 'public'

export interface RedirectGuardOptions {
  readonly coordinator: URL
  /** Hosts that may be private though the coordinator is not, as in `config.toml`. */
  readonly artifactHosts: readonly string[]
  /** Default: the system's. */
  readonly lookup?: LookupFunction
}

/** Thrown where a redirect is not followed. */
export class RedirectError extends Error {
  override readonly name = 'RedirectError'
  readonly code = 'redirect_refused'
}

/**
 * Decides where a coordinator may send the manager for the bytes of artifacts. Whoever can influence a redirect could
 * else read what only the manager's network shows. Names are judged by the addresses that are then connected to; behind
 * a proxy, which resolves them, only addresses are.
 */
export class RedirectGuard {
  readonly #options: RedirectGuardOptions
  readonly #lookup: LookupFunction
  #isCoordinatorPrivate: Promise<boolean> | undefined

  constructor(options: RedirectGuardOptions) {
    this.#options = options
    this.#lookup = options.lookup ?? (systemLookup as LookupFunction)
  }

  /** Thrown: {@link RedirectError}. The connection must be made with {@link lookupFor}. */
  async check(from: URL, to: URL): Promise<void> {
    if (to.origin === this.#options.coordinator.origin) return
    if (from.protocol === 'https:' && to.protocol === 'http:')
      throw new RedirectError(`the redirect from https to http://${to.host} is not followed`)
    const host = hostOf(to)
    if (host === 'metadata.google.internal') throw reserved(host, host)
    if (isIP(host) !== 0) await this.#checkAddress(host, host)
  }

  /** Resolves the host of `to` to what may be connected to. */
  lookupFor(to: URL): LookupFunction {
    const host = hostOf(to)
    return (name, options, callback) => {
      const fail = (error: Error): void => callback(error as NodeJS.ErrnoException, '')
      this.#resolve(name, options).then(async (addresses) => {
        const allowed: LookupAddress[] = []
        let refusal: Error | undefined
        for (const address of addresses) {
          try {
            await this.#checkAddress(host, address.address)
            allowed.push(address)
          } catch (error) {
            refusal = error as Error
          }
        }
        const [first] = allowed
        if (first === undefined) fail(refusal ?? new Error(`${name} has no address`))
        else if (options.all === true) callback(null, allowed)
        else callback(null, first.address, first.family)
      }, fail)
    }
  }

  async #checkAddress(host: string, address: string): Promise<void> {
    const kind = addressKind(address)
    if (kind === 'reserved') throw reserved(host, address)
    if (kind === 'public' || this.#options.artifactHosts.includes(host)) return
    this.#isCoordinatorPrivate ??= this.#findCoordinator()
    if (await this.#isCoordinatorPrivate) return
    throw new RedirectError(
      `the redirect to ${shown(host, address)}, a private address, is not followed. If artifacts are kept there, add this line to the runner's entry in config.toml: artifact_hosts = ["${host}"]`,
    )
  }

  async #findCoordinator(): Promise<boolean> {
    const host = hostOf(this.#options.coordinator)
    if (isIP(host) !== 0) return addressKind(host) === 'private'
    try {
      const addresses = await this.#resolve(host, {})
      return addresses.length > 0 && addresses.every(({ address }) => addressKind(address) === 'private')
    } catch {
      // Behind a proxy it need not have an address here; the next redirect asks anew.
      this.#isCoordinatorPrivate = undefined
      return false
    }
  }

  #resolve(name: string, options: LookupOptions): Promise<readonly LookupAddress[]> {
    return new Promise((resolve, reject) => {
      this.#lookup(name, { ...options, all: true }, (error, addresses) => {
        if (error !== null) reject(error)
        else resolve(addresses as LookupAddress[])
      })
    })
  }
}

/** What an IPv4 or IPv6 address is part of; one that says an IPv4 address is what that is. */
export function addressKind(address: string): AddressKind {
  const embedded = embeddedV4(address)
  if (embedded !== undefined) return addressKind(embedded)
  const family = isIP(address) === 6 ? 'ipv6' : 'ipv4'
  if (reservedRanges.check(address, family)) return 'reserved'
  return privateRanges.check(address, family) ? 'private' : 'public'
}

/** Of NAT64 (`64:ff9b::/96`) and 6to4 (`2002::/16`). */
function embeddedV4(address: string): string | undefined {
  if (isIP(address) !== 6) return undefined
  const { hostname } = new URL(`http://[${address.replace(/%.*$/, '')}]`)
  const last =
    /^\[(?:64:ff9b::|::ffff:|::)([0-9a-f]{1,4}):([0-9a-f]{1,4})\]$/.exec(hostname) ??
    /^\[2002:([0-9a-f]{1,4}):([0-9a-f]{1,4})[:\]]/.exec(hostname)
  if (last === null) return undefined
  return last
    .slice(1)
    .map((word) => Number.parseInt(word, 16))
    .flatMap((word) => [word >> 8, word & 255])
    .join('.')
}

function ranges(...networks: readonly (readonly [network: string, bits: number])[]): BlockList {
  const list = new BlockList()
  for (const [network, bits] of networks) list.addSubnet(network, bits, isIP(network) === 6 ? 'ipv6' : 'ipv4')
  return list
}

/** Link-local, and where Azure, Alibaba Cloud, AWS and Google answer their instances outside of it. */
const reservedRanges = ranges(
  ['169.254.0.0', 16],
  ['fe80::', 10],
  ['168.63.129.16', 32],
  ['100.100.100.200', 32],
  ['fd00:ec2::254', 128],
  ['fd20:ce::254', 128],
)

/** Loopback, private use, carriers' networks, and what is no host's address. */
const privateRanges = ranges(
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['224.0.0.0', 3],
  ['::', 127],
  ['fc00::', 7],
  ['fec0::', 10],
  ['ff00::', 8],
)

function reserved(host: string, address: string): RedirectError {
  return new RedirectError(
    `the redirect to ${shown(host, address)} is not followed: a cloud answers its instances there; artifact_hosts does not allow it either`,
  )
}

function shown(host: string, address: string): string {
  return host === address ? host : `${host} (${address})`
}

function hostOf(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '')
}
