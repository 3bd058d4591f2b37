import { expect, test } from 'vitest'
import type { JobCache } from '../job-payload.ts'
import { type CachePlanOptions, planRestore, planSave } from './cache-plan.ts'

const cache = (fields: Partial<JobCache> = {}): JobCache => ({
  key: 'deps',
  untracked: false,
  policy: 'pull-push',
  paths: ['vendor/'],
  when: 'on_success',
  fallback_keys: [],
  ...fields,
})
const plan = (caches: readonly JobCache[], more: Partial<CachePlanOptions> = {}): CachePlanOptions => ({
  caches,
  defaultKey: 'test/main',
  fallbackKey: '',
  expand: (text) => text.replaceAll('$REF', 'feature/x').replaceAll('$PULL', 'pull').replaceAll('$NONE', ''),
  ...more,
})
const keys = (options: CachePlanOptions) => planRestore(options).map((restore) => restore.keys)
const said = (steps: readonly { readonly notes: readonly { readonly text: string }[] }[]) =>
  steps.flatMap(({ notes }) => notes.map(({ text }) => text))

test('keys in their order: its own, its fallbacks, that of all caches; each once, with variables replaced', () => {
  expect(
    keys(plan([cache({ key: '$REF', fallback_keys: ['main', '', 'feature/x'] })], { fallbackKey: 'last' })),
  ).toEqual([['feature/x', 'main', 'last']])
  expect(keys(plan([cache({ key: '' })]))).toEqual([['test/main']])
})

test.each(['main-protected', 'main-protected. .', 'a/../main-protected/'])(
  '%j is no fallback for all caches: only protected branches may write it',
  (fallbackKey) => {
    const options = plan([cache()], { fallbackKey })
    expect(keys(options)).toEqual([['deps']])
    expect(said(planRestore(options)).at(-1)).toMatch(
      /^CACHE_FALLBACK_KEY "main-protected.*" not allowed to end in "-protected"$/,
    )
    // The server says which fallbacks a cache itself has.
    expect(keys(plan([cache({ key: 'x', fallback_keys: ['main-protected'] })]))).toEqual([['x', 'main-protected']])
  },
)

test('a key that is changed is said, one that is none skips its cache', () => {
  expect(said(planRestore(plan([cache({ key: '../a' })])))).toEqual(['cache key "../a" sanitized to "a"'])
  const none = planRestore(plan([cache({ key: '..' }), cache({ key: '$NONE' }), cache({ fallback_keys: ['/'] })]))
  expect(none.map((restore) => restore.keys)).toEqual([[], [], ['deps']])
  const skipped = 'Skipping cache extraction due to empty cache key'
  expect(said(none)).toEqual([
    'cache key ".." could not be sanitized',
    skipped,
    skipped,
    'cache key "/" could not be sanitized',
    skipped,
  ])
  expect(said(planSave(plan([cache({ key: '..' })]), true))).toEqual([
    'cache key ".." could not be sanitized',
    'Skipping cache archiving due to empty cache key',
  ])
})

test.each([
  ['', true, true],
  ['pull-push', true, true],
  ['pull', true, false],
  ['$PULL', true, false],
  ['push', false, true],
])('policy %j: restored %s, saved %s', (policy, isRestored, isSaved) => {
  const options = plan([cache({ policy })])
  expect(keys(options)[0]!.length > 0).toBe(isRestored)
  expect(planSave(options, true)[0]!.key !== undefined).toBe(isSaved)
  expect(said([...planRestore(options), ...planSave(options, true)])).toEqual([
    ...(isRestored ? [] : ['Not downloading cache deps due to policy']),
    ...(isSaved ? [] : ['Not uploading cache deps due to policy']),
  ])
})

test('a policy that nobody knows leaves the cache out, with a warning', () => {
  const options = plan([cache({ policy: 'pull-pull' })])
  const note = { level: 'warning', text: 'unknown cache policy pull-pull for deps: the cache is skipped' }
  expect(planRestore(options)).toEqual([{ keys: [], notes: [note] }])
  expect(planSave(options, true)).toMatchObject([{ key: undefined, notes: [note] }])
})

test.each([
  ['', true, false],
  ['on_success', true, false],
  ['on_failure', false, true],
  ['always', true, true],
  ['sometimes', false, false],
])('when %j: saved after success %s, after failure %s', (when, afterSuccess, afterFailure) => {
  expect([true, false].map((hasSucceeded) => planSave(plan([cache({ when })]), hasSucceeded).length === 1)).toEqual([
    afterSuccess,
    afterFailure,
  ])
})

test('without paths and untracked there is no cache', () => {
  expect(planRestore(plan([cache({ paths: [] })]))).toEqual([])
  expect(planSave(plan([cache({ paths: [] })]), true)).toEqual([])
  expect(planSave(plan([cache({ paths: [], untracked: true })]), true)).toMatchObject([
    { key: 'deps', untracked: true },
  ])
})
