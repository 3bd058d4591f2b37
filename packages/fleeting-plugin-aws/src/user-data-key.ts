import { gunzipSync } from 'node:zlib'
import type { Finding } from '@runner-core/fleeting'

/** Whether a launch template's user data, base64 as EC2 keeps it, holds the public key. */
export function letsIn(userData: string, publicKey: string): boolean {
  const [, key = ''] = publicKey.split(' ')
  const data = Buffer.from(userData, 'base64')
  return unzipped(data).includes(key)
}

/** That the key of this fleet is not let in by what machines are told when they start. */
export function keyNotInUserData(publicKey: string): Finding {
  return {
    code: 'key_not_in_user_data',
    severity: 'error',
    message:
      "the launch template's user data does not contain the fleet's public key: new instances cannot be logged in to",
    fix: `add to ssh_authorized_keys of its cloud-config, in a new version of the launch template: ${publicKey}`,
  }
}

/** cloud-init takes user data as it is, or compressed. */
function unzipped(data: Buffer): Buffer {
  if (data[0] !== 0x1f || data[1] !== 0x8b) return data
  try {
    return gunzipSync(data, { maxOutputLength: 1_048_576 })
  } catch {
    return data
  }
}
