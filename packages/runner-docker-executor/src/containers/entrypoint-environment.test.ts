import { expect, test } from 'vitest'
import { entrypointEnvironment } from './entrypoint-environment.ts'

const job = (key: string, value: string, isPublic: boolean) => ({ key, value, public: isPublic, raw: false })

test('an entrypoint finds what is public, as far as a program can be started with it', () => {
  const jobVariables = [job('A', '1-$B', true), job('B', '2', false), job('C', 'x'.repeat(40_000), true)]
  expect(entrypointEnvironment(jobVariables)).toEqual(['A=1-2'])
  const many = Array.from({ length: 20_000 }, (_, n) => job(`V${n}`, '$L', true))
  const bounded = entrypointEnvironment([job('L', 'y'.repeat(20_000), false), ...many])
  expect(bounded.length).toBeGreaterThan(5)
  expect(bounded.join('').length).toBeLessThan(300_000)
})
