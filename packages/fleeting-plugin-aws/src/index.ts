/**
 * An instance group of an EC2 Auto Scaling group.
 *
 * @module
 */

export { createInstanceGroup } from './group.ts'
