import { expect, test } from 'vitest'
import { describedWith, ownersOf } from './owner-note.ts'

const owner = { id: 'a-1', name: 'fleet ci on build-3', epoch: 2, since: Date.parse('2026-11-30T14:20:00Z') }

test('an owner stands behind what people wrote, once, and goes without a trace', () => {
  const first = describedWith('of team CI [urgent]', { ...owner, epoch: 1 })
  const second = describedWith(first, owner)
  expect(second).toBe('of team CI [urgent] [runner-core-owner: a-1 2 2026-11-30T14:20:00.000Z fleet ci on build-3]')
  expect(ownersOf(second)).toEqual([owner])
  expect(describedWith(second, undefined)).toBe('of team CI [urgent]')
})

test('a group without a description has no owner, and may get one', () => {
  expect(ownersOf('')).toEqual([])
  expect(ownersOf(describedWith('', owner))).toEqual([owner])
  expect(describedWith(describedWith('', owner), undefined)).toBe('')
})
