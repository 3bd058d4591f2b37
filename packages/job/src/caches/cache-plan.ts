import type { JobCache } from '../job-payload.ts'
import { sanitizeCacheKey } from './cache-key.ts'

export interface CachePlanOptions {
  readonly caches: readonly JobCache[]
  /** `job/ref`: the key of a cache that has none. */
  readonly defaultKey: string
  /** `CACHE_FALLBACK_KEY`; empty: none. */
  readonly fallbackKey: string
  /** Replaces variables. */
  readonly expand: (text: string) => string
}

/** A line for the trace. */
interface CacheNote {
  readonly level: 'notice' | 'warning'
  readonly text: string
}

/** One of a job's caches, before the job. */
export interface CacheRestore {
  readonly notes: readonly CacheNote[]
  /** The first one that there is counts. None: nothing is to be restored. */
  readonly keys: readonly string[]
}

/** One of a job's caches, after the job. */
export interface CacheSave {
  readonly notes: readonly CacheNote[]
  /** Undefined: nothing is to be saved. */
  readonly key: string | undefined
  readonly paths: readonly string[]
  readonly untracked: boolean
}

/** A fallback that everybody may choose must not be one that only jobs of protected branches may write. */
const protectedSuffix = '-protected'

/** What is to be restored before a job. Empty: the stage is skipped. */
export function planRestore(options: CachePlanOptions): CacheRestore[] {
  return options.caches.filter(hasFiles).map((cache) => {
    const notes: CacheNote[] = []
    const skip = (text: string): CacheRestore => ({ notes: [...notes, notice(text)], keys: [] })
    const key = keyOf(cache.key, options, notes)
    if (key === undefined) return skip('Skipping cache extraction due to empty cache key')
    const mayPull = allows(cache, 'pull', options)
    if (mayPull === undefined) return { notes: [...notes, unknownPolicy(cache, key, options)], keys: [] }
    if (!mayPull) return skip(`Not downloading cache ${key} due to policy`)
    return { keys: [...new Set([key, ...fallbackKeys(cache, options, notes)])], notes }
  })
}

/** What is to be saved after a job that succeeded or not. Empty: the stage is skipped. */
export function planSave(options: CachePlanOptions, hasSucceeded: boolean): CacheSave[] {
  return options.caches
    .filter((cache) => hasFiles(cache) && isWanted(cache.when, hasSucceeded))
    .map((cache) => {
      const notes: CacheNote[] = []
      const { paths, untracked } = cache
      const skip = (note: CacheNote): CacheSave => ({ notes: [...notes, note], key: undefined, paths, untracked })
      const key = keyOf(cache.key, options, notes)
      if (key === undefined) return skip(notice('Skipping cache archiving due to empty cache key'))
      const mayPush = allows(cache, 'push', options)
      if (mayPush === undefined) return skip(unknownPolicy(cache, key, options))
      if (!mayPush) return skip(notice(`Not uploading cache ${key} due to policy`))
      return { notes, key, paths, untracked }
    })
}

function hasFiles({ paths, untracked }: JobCache): boolean {
  return paths.length > 0 || untracked
}

function isWanted(when: string, hasSucceeded: boolean): boolean {
  return when === 'always' || (hasSucceeded ? when === '' || when === 'on_success' : when === 'on_failure')
}

/** Undefined: nobody knows that policy. */
function allows({ policy }: JobCache, what: 'pull' | 'push', { expand }: CachePlanOptions): boolean | undefined {
  const wanted = expand(policy)
  if (wanted === '' || wanted === 'pull-push') return true
  return wanted === 'pull' || wanted === 'push' ? wanted === what : undefined
}

function unknownPolicy({ policy }: JobCache, key: string, { expand }: CachePlanOptions): CacheNote {
  return warning(`unknown cache policy ${expand(policy)} for ${key}: the cache is skipped`)
}

/** Says in `notes` what became of it. Undefined: it is none. */
function keyOf(wanted: string, { defaultKey, expand }: CachePlanOptions, notes: CacheNote[]): string | undefined {
  const raw = wanted === '' ? defaultKey : expand(wanted)
  if (raw === '') return undefined
  const sanitized = sanitizeCacheKey(raw)
  if ('problem' in sanitized) {
    notes.push(warning(sanitized.problem))
    return undefined
  }
  const { key } = sanitized
  if (key !== raw) notes.push(warning(`cache key ${JSON.stringify(raw)} sanitized to ${JSON.stringify(key)}`))
  return key
}

function fallbackKeys(cache: JobCache, options: CachePlanOptions, notes: CacheNote[]): string[] {
  const keys: string[] = []
  for (const wanted of cache.fallback_keys.filter((key) => key !== '')) {
    const key = keyOf(wanted, options, notes)
    if (key === undefined) notes.push(notice('Skipping cache extraction due to empty cache key'))
    else keys.push(key)
  }
  const last = options.fallbackKey === '' ? undefined : keyOf(options.fallbackKey, options, notes)
  if (last?.replace(/[. ]+$/, '').endsWith(protectedSuffix) === true)
    notes.push(
      warning(`CACHE_FALLBACK_KEY ${JSON.stringify(last)} not allowed to end in ${JSON.stringify(protectedSuffix)}`),
    )
  else if (last !== undefined) keys.push(last)
  return keys
}

function notice(text: string): CacheNote {
  return { level: 'notice', text }
}

function warning(text: string): CacheNote {
  return { level: 'warning', text }
}
