/**
 * An instance group whose instances are SSH server processes on this machine: nothing to install, real shell commands.
 *
 * @module
 */

export { createInstanceGroup } from './group.ts'
