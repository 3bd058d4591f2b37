/**
 * Instance groups that are executables speaking GitLab's fleeting protocol: HashiCorp's go-plugin over gRPC.
 *
 * @module
 */

export { createGoPluginGroup, type GoPluginOptions } from './create-go-plugin-group.ts'
export { type FindGoPluginOptions, findGoPlugin } from './find-go-plugin.ts'
