/**
 * An instance group whose instances are the machines of an Azure virtual machine scale set, Uniform or Flexible.
 *
 * @module
 */

export { createInstanceGroup } from './group.ts'
