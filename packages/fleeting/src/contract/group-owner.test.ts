import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readOwner, writtenOwner } from './group-owner.ts'

const owner = fc.record({
  id: fc.stringMatching(/^[\w-]{1,100}$/),
  name: fc.string({ unit: 'binary', maxLength: 300 }),
  epoch: fc.nat(),
  since: fc.integer({ min: 0, max: 4e12 }),
})

describe('an owner in writing', () => {
  it('is read as it was written, its name as far as every cloud takes it', () => {
    fc.assert(
      fc.property(owner, (written) => {
        const { name, ...rest } = readOwner(writtenOwner(written))!
        expect(rest).toEqual({ id: written.id, epoch: written.epoch, since: written.since })
        expect(writtenOwner({ ...rest, name })).toBe(writtenOwner(written))
      }),
    )
  })

  it('fits into the tags of every cloud', () => {
    fc.assert(
      fc.property(owner, (written) => {
        expect(writtenOwner(written)).toMatch(/^[\w .:/=+@-]{1,256}$/)
      }),
    )
  })

  it('is nobody where nothing is written', () => {
    expect([readOwner(undefined), readOwner(''), readOwner(' ')]).toEqual([undefined, undefined, undefined])
  })

  it('is somebody unknown where something else is written', () => {
    expect(readOwner('team infrastructure')).toMatchObject({ id: 'team infrastructure', epoch: 0 })
  })
})
