/**
 * Turns instance groups into executables that GitLab Runner takes for fleeting plugins of its own kind.
 *
 * @module
 */

export { goPluginCommand } from './command.ts'
export { serveGoPlugin } from './serve-go-plugin.ts'
export type { VersionInfo } from './version-info.ts'
