/**
 * Runs one CI job in containers of a Docker Engine.
 *
 * @module
 */

export { type DialEngine, Engine, type OpenEngineOptions } from './engine/engine.ts'
export { EngineError, type EngineErrorCode } from './engine/engine-error.ts'
