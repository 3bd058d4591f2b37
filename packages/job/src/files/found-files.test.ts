import { expect, test } from 'vitest'
import { FoundFiles } from './found-files.ts'
import { wantedPaths } from './wanted-paths.ts'

function found(...told: readonly (readonly [path: string, state: string])[]): FoundFiles {
  const { wanted, excluded } = wantedPaths({ paths: ['a/'], exclude: ['a/*.log'], projectDir: '/project' })
  const files = new FoundFiles(wanted, excluded)
  for (const [path, state] of told) files.tell(path, state)
  return files
}

const digestOf = async (files: FoundFiles): Promise<string | undefined> => (await files.inOrder()).digest

test('the digest is of all that was found and of its state, in whatever order it was told', async () => {
  const digest = await digestOf(found(['a', 'd:'], ['a/x', '644,1,2:'], ['a/y', '644,1,3:']))
  expect(digest).toMatch(/^[0-9a-f]{64}$/)
  const unordered = found(
    ['a/y', '644,1,3:'],
    ['a', 'd:'],
    ['a/x', '644,1,2:'],
    ['a/x.log', '644,5,5:'],
    ['b', '644,7,7:'],
  )
  expect(await digestOf(unordered)).toBe(digest)
  for (const other of [
    found(['a', 'd:'], ['a/x', '644,1,2:']),
    found(['a', 'd:'], ['a/x', '644,1,2:'], ['a/z', '644,1,3:']),
    found(['a', 'd:'], ['a/x', '644,1,2:'], ['a/y', '644,1,4:']),
    found(['a', 'd:'], ['a/x', '644,1,2:'], ['a/y', '755,1,3:']),
  ])
    expect(await digestOf(other)).not.toBe(digest)
})

test('where the machine does not tell, nobody knows whether something has changed', async () => {
  expect(await digestOf(found(['a', 'd:'], ['a/x', '']))).toBeUndefined()
  const files = found(['a', 'd:'])
  files.tellUntracked('other')
  expect(await digestOf(files)).toBeUndefined()
})
