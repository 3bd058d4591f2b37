/** Where an Engine listens, seen from where it is dialled. */
export type EngineAddress =
  | { readonly socketPath: string }
  | {
      readonly hostname: string
      readonly port: number
      /** Whether the address itself asks for TLS. */
      readonly isSecure: boolean
    }

/** The Engine's own ports. */
const [plainPort, securePort] = [2375, 2376]

/** `unix:///path`, `tcp://host[:port]`, `http://…`, `https://…`; undefined: it is none of these. */
export function parseEngineAddress(text: string): EngineAddress | undefined {
  const socketPath = /^unix:\/\/(\/[^\0]*)$/.exec(text)?.[1]
  if (socketPath !== undefined) return { socketPath }
  const [, scheme, authority] = /^(tcp|http|https):\/\/([^/?#@\s]+)\/?$/.exec(text) ?? []
  if (scheme === undefined || !URL.canParse(`http://${authority}`)) return undefined
  const hostname = new URL(`http://${authority}`).hostname.replace(/^\[(.*)\]$/, '$1')
  // What the URL drops: the port that is the scheme's default.
  const port = /:(\d+)$/.exec(authority as string)?.[1]
  const isSecure = scheme === 'https' || Number(port) === securePort
  return { hostname, port: port === undefined ? (isSecure ? securePort : plainPort) : Number(port), isSecure }
}
