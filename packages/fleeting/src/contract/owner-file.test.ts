import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { GroupOwner } from './group-owner.ts'
import { OwnerFile } from './owner-file.ts'

const owner: GroupOwner = {
  id: 'here',
  name: 'fleet test on build-1',
  epoch: 3,
  since: Date.parse('2026-01-02T03:04:05Z'),
}

let root: string
let directory: string
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'owner-file-'))
  directory = join(root, 'made', 'later')
})
afterEach(() => rm(root, { recursive: true }))

describe('OwnerFile', () => {
  test('names nobody before the first claim, and makes nothing until then', async () => {
    expect(await new OwnerFile(directory).owners()).toEqual([])
    expect(await readdir(root)).toEqual([])
  })

  test('keeps the last claim for another process, in one file that nobody else may read', async () => {
    const file = new OwnerFile(directory)
    await file.claim(owner)
    await file.claim({ ...owner, epoch: 4 })
    expect(await new OwnerFile(directory).owners()).toEqual([{ ...owner, epoch: 4 }])
    expect(await readdir(directory)).toEqual(['group-owner'])
    expect((await stat(join(directory, 'group-owner'))).mode & 0o777).toBe(0o600)
    expect((await stat(directory)).mode & 0o777).toBe(0o700)
  })

  test('names nobody once the claim is given up, also when it is given up twice', async () => {
    const file = new OwnerFile(directory)
    await file.claim(owner)
    await file.claim(undefined)
    await file.claim(undefined)
    expect(await file.owners()).toEqual([])
    expect(await readdir(directory)).toEqual([])
  })

  test('names somebody unknown where a person wrote something else, and nobody where it is empty', async () => {
    await mkdir(directory, { recursive: true })
    await writeFile(join(directory, 'group-owner'), 'hands off\n')
    expect(await new OwnerFile(directory).owners()).toMatchObject([{ id: 'hands off', epoch: 0 }])
    await writeFile(join(directory, 'group-owner'), '\n')
    expect(await new OwnerFile(directory).owners()).toEqual([])
  })

  test('fails with a file that cannot be read, rather than naming nobody', async () => {
    await mkdir(join(directory, 'group-owner'), { recursive: true })
    await expect(new OwnerFile(directory).owners()).rejects.toMatchObject({
      code: 'transient',
      message: expect.stringContaining('EISDIR'),
    })
  })

  test('leaves the owner as it was when a claim cannot be written', async () => {
    const file = new OwnerFile(directory)
    await file.claim(owner)
    await mkdir(join(directory, 'group-owner.new'))
    await expect(file.claim({ ...owner, epoch: 4 })).rejects.toMatchObject({
      code: 'transient',
      message: expect.stringContaining('written'),
    })
    expect(await readFile(join(directory, 'group-owner'), 'utf8')).toBe(
      'here 3 2026-01-02T03:04:05.000Z fleet test on build-1\n',
    )
  })
})
