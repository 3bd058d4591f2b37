import { readFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { describe, expect, test } from 'vitest'
import { mutants } from './index.ts'
import { mutatedSource } from './mutant.ts'

describe('the list of mutants', () => {
  test.each(mutants)('has its place in the code: $name', (mutant) => {
    const source = mutatedSource(mutant)
    expect(() => stripTypeScriptTypes(source)).not.toThrow()
  })

  test('has each of them once', () => {
    const names = mutants.map(({ name }) => name)
    expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([])
  })

  test('has sixty that are tried, and some for each promise', () => {
    const tried = mutants.filter(({ equivalent }) => equivalent === undefined)
    expect(tried.length).toBeGreaterThanOrEqual(60)
    expect(tried.map(({ breaks }) => breaks)).toEqual(expect.arrayContaining([1, 2, 3, 4, 5, 6, 7]))
  })

  test('argues in one line for those that are not tried', () => {
    const reasons = mutants.flatMap(({ equivalent }) => equivalent ?? [])
    expect(reasons.filter((reason) => reason.length < 15 || reason.length > 160 || reason.includes('\n'))).toEqual([])
  })

  test('has each mutant that a noticing seed is kept for', () => {
    const kept = readFileSync(new URL('../../data/noticing-seeds.json', import.meta.url), 'utf8')
    const tried = mutants.filter(({ equivalent }) => equivalent === undefined)
    expect(tried.map(({ name }) => name)).toEqual(expect.arrayContaining(Object.keys(JSON.parse(kept) as object)))
  })
})
