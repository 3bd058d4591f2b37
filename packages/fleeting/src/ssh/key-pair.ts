import { generateKeyPair } from 'node:crypto'
import { promisify } from 'node:util'
import { GroupError } from '../contract/errors.ts'
import type { KeyPair } from '../contract/key-pair.ts'
import { openSshKeyPair } from './ed25519.ts'

/** What an operator said of the key: see `ConnectorConfig`. */
export interface KeySettings {
  readonly privateKey?: string
  readonly useStaticCredentials?: boolean
}

/**
 * The key by which a fleet's machines let us in: the operator's, or else `kept` (`PluginContext.fleetKey`), or else an
 * ephemeral ed25519 one, made here and never written down. Thrown: `invalid_config` when the operator's key cannot be
 * used, or static credentials are asked for and there is none.
 */
export async function fleetKeyPair(connector: KeySettings, kept?: KeyPair): Promise<KeyPair> {
  if (connector.privateKey !== undefined) {
    return {
      privateKey: connector.privateKey,
      publicKey: await publicKeyOf(connector.privateKey, 'connector_config.key_path'),
    }
  }
  if (connector.useStaticCredentials) {
    throw new GroupError(
      'invalid_config',
      'connector_config.key_path: expected a private key, since use_static_credentials is set, got nothing',
    )
  }
  return kept ?? newKeyPair()
}

/** A new ed25519 key pair, for machines' host keys too. */
export async function newKeyPair(): Promise<KeyPair> {
  return openSshKeyPair((await promisify(generateKeyPair)('ed25519')).privateKey)
}

/**
 * The public half of a private key, as in `authorized_keys`. `path` stands before the message. Thrown:
 * `invalid_config`, never with anything of the key in it.
 */
export async function publicKeyOf(privateKey: string, path: string): Promise<string> {
  // Loaded when first needed: ssh2 costs about 40 ms.
  const { parsePrivateKey } = await import('./private-key.ts')
  const key = parsePrivateKey(privateKey)
  if (key instanceof Error)
    throw new GroupError('invalid_config', `${path}: expected a private key that can be used: ${key.message}`)
  return `${key.type} ${key.getPublicSSH().toString('base64')}`
}
