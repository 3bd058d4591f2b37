import { createRequire } from 'node:module'

const require = createRequire(import.meta.url)
let loaded: typeof import('ssh2') | undefined

/**
 * ssh2, loaded by whoever first needs it: it takes longer than all the rest of this package, and whoever only plans
 * needs none.
 */
export function ssh2(): typeof import('ssh2') {
  loaded ??= require('ssh2') as typeof import('ssh2')
  return loaded
}
