/**
 * - `invalid_reference`: not `[[registry/]repository/]name[:version]`.
 * - `not_found`: the registry has no such plugin, or no such version of it.
 * - `no_platform`: the plugin is there, but not for this system.
 * - `not_a_plugin`: what the reference means is no plugin's artifact.
 * - `wrong_version`: the artifact calls itself another version than its tag.
 * - `unauthorized`: the registry refuses the credentials, or asks for some.
 * - `refused`: the registry answers with another error.
 * - `unreachable`: the registry cannot be reached, or broke off, more often than was tried.
 * - `corrupt`: what came is not what the registry said it would send: a digest or a size is wrong.
 * - `unsafe`: the archive holds what would be written elsewhere, or no file.
 * - `invalid_config`: the file of credentials or its helper cannot be used.
 * - `not_written`: the directory of plugins cannot be written.
 */
export type InstallErrorCode =
  | 'invalid_reference'
  | 'not_found'
  | 'no_platform'
  | 'not_a_plugin'
  | 'wrong_version'
  | 'unauthorized'
  | 'refused'
  | 'unreachable'
  | 'corrupt'
  | 'unsafe'
  | 'invalid_config'
  | 'not_written'

/** Thrown when a plugin cannot be installed. Nothing of it is in the directory of plugins then. */
export class InstallError extends Error {
  override readonly name = 'InstallError'
  readonly code: InstallErrorCode

  constructor(code: InstallErrorCode, message: string, options: { readonly cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
  }
}
