import { existsSync } from 'node:fs'
import { expect, test } from 'vitest'
import { longTests } from './long-tests.ts'

test('tests that are named as long ones are there', () => {
  expect(longTests.filter((file) => !existsSync(file))).toEqual([])
})
