import { existsSync } from 'node:fs'
import { chmod, mkdir, mkdtemp, readdir, rename, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  abandonedGroupDirectories,
  claimGroupDirectory,
  makeInstanceDirectory,
  removeDirectory,
} from './directories.ts'

let root: string
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'local-test-'))
})
afterEach(() => rm(root, { recursive: true, force: true }))

describe('group directories', () => {
  test('one that is claimed is not abandoned, and is gone after its release', async () => {
    const directory = await claimGroupDirectory(root)
    expect((await stat(directory.path)).mode & 0o777).toBe(0o700)
    expect(await abandonedGroupDirectories(root, Date.now() + 3_600_000)).toEqual([])
    await directory.release()
    expect(await readdir(root)).toEqual([])
  })

  test('one whose claim nobody holds any more is abandoned', async () => {
    const path = join(root, 'fleeting-plugin-local-killed')
    await mkdir(path)
    await leaveDeadSocket(join(path, 'claim'))
    expect(await abandonedGroupDirectories(root, Date.now())).toEqual([path])
  })

  test('one without a claim is abandoned only when it is not new; other directories never', async () => {
    const [fresh, old, other] = ['fleeting-plugin-local-fresh', 'fleeting-plugin-local-old', 'other'].map((name) =>
      join(root, name),
    )
    for (const path of [fresh!, old!, other!]) await mkdir(path)
    await writeFile(join(root, 'fleeting-plugin-local-file'), '')
    for (const path of [old!, other!]) await utimes(path, 1, 1)
    expect(await abandonedGroupDirectories(root, Date.now())).toEqual([old])
  })
})

describe('instance directories', () => {
  test('are for their user only, and never shared', async () => {
    const path = join(root, 'one')
    const { home, temporary } = makeInstanceDirectory(path)
    for (const each of [path, home, temporary]) expect((await stat(each)).mode & 0o777).toBe(0o700)
    expect(() => makeInstanceDirectory(path)).toThrow('EEXIST')
  })

  test('are removed with directories in them that cannot be written', async () => {
    const path = join(root, 'one')
    const module = join(makeInstanceDirectory(path).home, 'go', 'mod')
    await mkdir(module, { recursive: true })
    await writeFile(join(module, 'file'), '')
    await chmod(module, 0o500)
    await removeDirectory(path)
    expect(existsSync(path)).toBe(false)
    await removeDirectory(path)
  })
})

/**
 * What a killed process leaves: a socket that refuses. Node unlinks the name that a server listened at, so it gets
 * another before that.
 */
async function leaveDeadSocket(path: string): Promise<void> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(`${path}-first`, resolve))
  await rename(`${path}-first`, path)
  await new Promise((resolve) => server.close(resolve))
}
