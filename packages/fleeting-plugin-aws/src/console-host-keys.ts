const section = /-----BEGIN SSH HOST KEY KEYS-----([\s\S]*?)-----END SSH HOST KEY KEYS-----/g
const key = /(?:ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp\d+) [A-Za-z0-9+/]+={0,2}/g

/**
 * The SSH host keys that cloud-init has printed on a machine's console, without comments; of several boots those of the
 * last one. Empty: it has not printed them (yet), or EC2's copy, the last 64 KiB, has lost them.
 */
export function consoleHostKeys(output: string): readonly string[] {
  const last = [...output.matchAll(section)].at(-1)?.[1] ?? ''
  return [...last.matchAll(key)].map(([text]) => text)
}
