import { expect, test } from 'vitest'
import { told } from './answers.ts'

test("the SDK's names of fields that are set, and what is not set, are no part of an answer", () => {
  const answer = {
    _name: 'name',
    name: 'a',
    status: null,
    disks: [],
    labels: {},
    _metadata: 'metadata',
    metadata: { fingerprint: undefined, items: [{ _key: 'key', key: 'k', value: '' }] },
  }
  expect(told(answer)).toEqual({ name: 'a', metadata: { items: [{ key: 'k', value: '' }] } })
})
