/**
 * An instance group whose instances are containers with an OpenSSH server.
 *
 * @module
 */

export { type BuildImageOptions, buildImage } from './build-image.ts'
export { createInstanceGroup } from './group.ts'
