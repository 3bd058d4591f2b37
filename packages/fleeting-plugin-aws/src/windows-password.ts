import { constants, createPrivateKey, privateDecrypt } from 'node:crypto'
import { GroupError } from '@runner-core/fleeting'

/**
 * Thrown: `invalid_config`, when the key is none of RSA, or not that of the instance's key pair. Nothing of key or
 * password is in the message.
 */
export function decryptPassword(data: string, privateKey: string): string {
  try {
    const key = createPrivateKey(privateKey)
    if (key.asymmetricKeyType !== 'rsa') throw new Error(`it is a key of ${key.asymmetricKeyType}`)
    return privateDecrypt({ key, padding: constants.RSA_PKCS1_PADDING }, Buffer.from(data, 'base64')).toString()
  } catch {
    throw new GroupError(
      'invalid_config',
      "connector_config.key_path: expected the RSA private key, as PEM, of the instances' key pair, which Windows passwords are encrypted for",
    )
  }
}
