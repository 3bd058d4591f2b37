import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { dependencyReasons } from './dependency-reasons.ts'
import { dependenciesOf, dependencyPage } from './dependency-reference.ts'

const dependencies = dependenciesOf('.')

test('each dependency of a published package has its reason, and each reason its dependency', () => {
  expect(Object.keys(dependencyReasons).toSorted()).toEqual(dependencies.map(({ name }) => name).toSorted())
})

test('the page of dependencies is up to date', () => {
  // Sizes are those of the machine on which the page was made.
  const withoutSizes = (page: string): string => page.replaceAll(/\| \d+\.\d MB/g, '| MB')
  const page = readFileSync('docs/reference/dependencies.md', 'utf8')
  expect(withoutSizes(page), 'node scripts/dependency-reference.ts writes it anew').toBe(
    withoutSizes(dependencyPage(dependencies)),
  )
})

test('published packages ask for what they need with caret ranges', () => {
  const ranges = dependencies.flatMap(({ name, ranges }) => [...ranges.values()].map((range) => `${name} ${range}`))
  expect(ranges.filter((range) => !/ \^\d/.test(range))).toEqual([])
})
