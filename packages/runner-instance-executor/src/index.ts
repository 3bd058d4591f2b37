/**
 * Runs one CI job on one slot of an acquired instance.
 *
 * @module
 */
export { InstanceExecutor, type InstanceExecutorOptions, type PreparedInstance } from './instance-executor.ts'
