import { expect, test } from 'vitest'
import { scenarioOf } from './scenario.ts'
import {
  containerStepNames,
  hostStepNames,
  logStepNames,
  memberStepNames,
  outageStepNames,
  ownerStepNames,
  projectStepNames,
  rareStepNames,
} from './steps.ts'

const late: ReadonlySet<string> = new Set([
  ...rareStepNames,
  ...ownerStepNames,
  ...logStepNames,
  ...memberStepNames,
  ...hostStepNames,
  ...projectStepNames,
  ...containerStepNames,
])
const hasLateParts = (seed: number): boolean => {
  const { setting, steps } = scenarioOf(seed)
  return (
    setting.holdsOwner !== undefined ||
    setting.keepsLog !== undefined ||
    setting.members !== undefined ||
    setting.hasHosts !== undefined ||
    setting.projects !== undefined ||
    setting.inContainers !== undefined ||
    steps.some(({ name }) => late.has(name))
  )
}

test('about two seeds in five have what came to the world later', () => {
  const touched = Array.from({ length: 1000 }, (_, seed) => seed).filter(hasLateParts)
  expect(touched.length).toBeGreaterThan(350)
  expect(touched.length).toBeLessThan(500)
})

test('seeds that are hunted keep their stories', () => {
  expect([2353, 2894, 3506, 3981].filter(hasLateParts)).toEqual([])
})

test('what only stories about a guard have comes in no seed', () => {
  const names = Array.from({ length: 500 }, (_, seed) => scenarioOf(seed).steps.map(({ name }) => name)).flat()
  expect(names.filter((name) => outageStepNames.some((each) => each === name))).toEqual([])
})

test('each step of the world comes in some seed', () => {
  const names = new Set(
    Array.from({ length: 2000 }, (_, seed) => scenarioOf(seed).steps.map(({ name }) => name)).flat(),
  )
  expect([...late].filter((name) => !names.has(name as never))).toEqual([])
})
