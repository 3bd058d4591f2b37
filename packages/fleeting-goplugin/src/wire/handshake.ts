/** By this a plugin knows that a host has started it, and not a person. */
export const magicCookie: { readonly name: string; readonly value: string } = {
  name: 'FLEETING_INSTANCE_GROUP_PLUGIN',
  value: '4c6410b1-cb78-4962-8c76-ab936d0ea908',
}

/** What a plugin reads from its environment besides the cookie, by go-plugin's names. */
export const environmentNames = {
  protocolVersions: 'PLUGIN_PROTOCOL_VERSIONS',
  minPort: 'PLUGIN_MIN_PORT',
  maxPort: 'PLUGIN_MAX_PORT',
  socketDirectory: 'PLUGIN_UNIX_SOCKET_DIR',
  /** The host's certificate as PEM: the plugin answers with its own, and both speak TLS. */
  clientCertificate: 'PLUGIN_CLIENT_CERT',
} as const

const coreVersion = 1
/** The only version of the fleeting protocol so far. */
export const protocolVersion = 0

/** The first line that a plugin prints. */
export interface Handshake {
  readonly network: 'unix' | 'tcp'
  /** A path, or `host:port`. */
  readonly address: string
  /** The plugin's certificate, DER. Absent: it speaks plaintext. */
  readonly certificate?: Buffer
}

/** go-plugin's own rule: what is shorter is no certificate. */
const shortestCertificate = 51

/** Thrown: an `Error` that says what is wrong with the line. */
export function parseHandshake(line: string): Handshake {
  const [core, version, network, address = '', protocol = 'netrpc', certificate = ''] = line.trim().split('|')
  if (network === undefined || address === '')
    throw new Error(`expected a handshake line such as 1|0|unix|/path|grpc|, got ${shown(line)}`)
  if (core !== String(coreVersion))
    throw new Error(`it speaks version ${shown(core ?? '')} of go-plugin, but ${coreVersion} is required`)
  if (version !== String(protocolVersion)) {
    throw new Error(
      `it speaks version ${shown(version ?? '')} of the fleeting protocol, but ${protocolVersion} is required`,
    )
  }
  if (network !== 'unix' && network !== 'tcp')
    throw new Error(`expected the network unix or tcp, got ${shown(network)}`)
  if (protocol !== 'grpc') throw new Error(`expected the protocol grpc, got ${shown(protocol)}`)
  return {
    network,
    address,
    ...(certificate.length >= shortestCertificate && { certificate: Buffer.from(certificate, 'base64') }),
  }
}

export function formatHandshake({ network, address, certificate }: Handshake): string {
  // Unpadded, as Go's raw encoding has it.
  const encoded = certificate?.toString('base64').replace(/=+$/, '') ?? ''
  return `${coreVersion}|${protocolVersion}|${network}|${address}|grpc|${encoded}\n`
}

function shown(text: string): string {
  return JSON.stringify(text.length > 120 ? `${text.slice(0, 117)}...` : text)
}
