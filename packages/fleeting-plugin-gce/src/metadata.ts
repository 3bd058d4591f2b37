import type { Metadata, MetadataItem } from './compute-api.ts'

/** The metadata key by which the guest agent lets people in. */
const sshKeysItem = 'ssh-keys'

/** The value of a key, of the first that has it: a machine's own metadata stands before its project's. */
function metadataValue(key: string, ...metadata: readonly (Metadata | undefined)[]): string | undefined {
  return metadata.map((one) => one?.items?.find((item) => item.key === key)?.value).find((value) => value !== undefined)
}

/** Whether a key is switched on, as the guest agent reads it. */
export function isOn(key: string, ...metadata: readonly (Metadata | undefined)[]): boolean {
  return /^(true|yes|y|1)$/i.test(metadataValue(key, ...metadata) ?? '')
}

/** Metadata of a new machine whose user may log in with a key. */
export function sshKeyMetadata(username: string, publicKey: string): Readonly<Record<string, string>> {
  return { [sshKeysItem]: sshKeyLine(username, publicKey) }
}

/**
 * Whether a machine's user may log in with the key. Google's own form of a line does not count: it may have expired.
 */
export function admits(metadata: Metadata | undefined, username: string, publicKey: string): boolean {
  const lines = (metadataValue(sshKeysItem, metadata) ?? '').split('\n')
  const ours = `${username}:${publicKey}`
  return lines.some((line) => line === ours || (line.startsWith(`${ours} `) && !line.startsWith(`${ours} google-ssh`)))
}

/** All of the machine's items, with the key added to those that are let in. */
export function withSshKey(
  metadata: Metadata | undefined,
  username: string,
  publicKey: string,
): readonly MetadataItem[] {
  const items = metadata?.items ?? []
  const lines = [metadataValue(sshKeysItem, metadata), sshKeyLine(username, publicKey)].filter(Boolean).join('\n')
  return [...items.filter(({ key }) => key !== sshKeysItem), { key: sshKeysItem, value: lines }]
}

function sshKeyLine(username: string, publicKey: string): string {
  return `${username}:${publicKey} ${username}`
}
