/**
 * An instance group of a Google Compute Engine managed instance group.
 *
 * @module
 */

export { createInstanceGroup } from './group.ts'
