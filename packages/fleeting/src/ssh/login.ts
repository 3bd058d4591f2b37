import type { AnyAuthMethod } from 'ssh2'
import { ConnectionError } from '../contract/errors.ts'
import type { ConnectInfo, ConnectorConfig } from '../contract/instance-group.ts'
import { parsePrivateKey } from './private-key.ts'

/** Who logs in, and by which methods, the best first. */
export interface Login {
  readonly username: string
  readonly methods: readonly AnyAuthMethod[]
}

/**
 * The login of an instance: key, agent, password, as far as they are given. The operator's settings fill what the
 * connect info lacks; its credentials only when the info has none of its own. Thrown: `ConnectionError`
 * `invalid_config`, never with anything secret in it.
 */
export function loginOf(info: ConnectInfo, config: ConnectorConfig): Login {
  const username = info.username || config.username
  if (!username)
    throw new ConnectionError('invalid_config', `instance ${info.instanceId}: expected a user name, got none`)
  const own = info.privateKey || info.password !== undefined || info.agentSocket
  const { privateKey, password, agentSocket } = own ? info : config

  const methods: AnyAuthMethod[] = []
  if (privateKey) {
    const key = parsePrivateKey(privateKey)
    if (key instanceof Error) {
      throw new ConnectionError(
        'invalid_config',
        `instance ${info.instanceId}: the private key cannot be used: ${key.message}`,
      )
    }
    methods.push({ type: 'publickey', username, key })
  }
  if (agentSocket) methods.push({ type: 'agent', username, agent: agentSocket })
  if (password !== undefined) {
    methods.push({ type: 'password', username, password })
    // Some servers ask for the password only by this method.
    methods.push({
      type: 'keyboard-interactive',
      username,
      prompt: (_name, _text, _lang, prompts, answer) => answer(prompts.map(() => password)),
    })
  }
  if (methods.length === 0) {
    throw new ConnectionError(
      'invalid_config',
      `instance ${info.instanceId}: expected a private key, an agent or a password, got none`,
    )
  }
  return { username, methods }
}
