/**
 * An instance group of hosts that exist already: it lends them, and takes them back.
 *
 * @module
 */

export { createInstanceGroup } from './group.ts'
