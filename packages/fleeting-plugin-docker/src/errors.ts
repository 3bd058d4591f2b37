import { GroupError, type GroupErrorCode, type GroupErrorOptions, isGroupError } from '@runner-core/fleeting'

/** What dockerode throws: an HTTP answer, or a failure to get one. */
interface EngineError extends Error {
  readonly statusCode?: number
  readonly code?: string
}

/** What the Docker Engine answered, in the group's vocabulary. `during` says what was tried, for people. */
export function asEngineError(error: unknown, during: string, options: GroupErrorOptions = {}): GroupError {
  if (isGroupError(error)) return error
  const { statusCode, code, message } = error as EngineError
  const [groupCode, hint] = statusCode === undefined ? classifyFailure(code) : classifyAnswer(statusCode, message)
  return new GroupError(groupCode, `${during}: ${message.trim()}${hint}`, { ...options, cause: error })
}

function classifyFailure(code: string | undefined): [GroupErrorCode, string] {
  if (code === 'EACCES' || code === 'EPERM')
    return ['auth', " (may this user use Docker's socket? Usually its group is docker)"]
  if (code === 'ENOENT' || code === 'ECONNREFUSED')
    return ['transient', ' (is the Docker daemon running, and DOCKER_HOST right?)']
  return ['transient', '']
}

/** The host cannot take another container now: space, addresses, ports, processes. */
const exhausted =
  /no space left|no available .*address|all predefined address pools|no available network|port .*exhausted|resource temporarily unavailable|cannot allocate memory/i

function classifyAnswer(statusCode: number, message: string): [GroupErrorCode, string] {
  if (exhausted.test(message)) return ['capacity', '']
  if (statusCode === 404 && /no such image/i.test(message)) return ['invalid_config', imageHint]
  if (statusCode === 404) return ['not_found', '']
  if (statusCode === 401 || statusCode === 403) return ['auth', '']
  if (statusCode === 409) return ['conflict', '']
  if (statusCode === 429) return ['throttled', '']
  return [statusCode < 500 ? 'invalid_config' : 'transient', '']
}

const imageHint =
  ' (plugin_config.image: make it with scripts/mk-sshd-image.sh of @runner-core/fleeting-plugin-docker, build its image/Dockerfile, or pull it; it is not pulled automatically)'
