import { describe, expect, it } from 'vitest'
import type { EncodedChange } from './fleet-database.ts'
import { GroupCommit } from './group-commit.ts'

const use = (key: string, value: string | number = 1) => ({ kind: 'use', key, value }) as const
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** A disk that answers when it is told. */
class SlowDisk {
  readonly commits: string[][] = []
  readonly #answers: { readonly resolve: () => void; readonly reject: (error: Error) => void }[] = []

  commit = (changes: readonly EncodedChange[]): Promise<void> => {
    this.commits.push(changes.map(({ key, json }) => `${key}=${json}`))
    return new Promise((resolve, reject) => this.#answers.push({ resolve, reject }))
  }

  async answer(error?: Error): Promise<void> {
    const next = this.#answers.shift()!
    if (error === undefined) next.resolve()
    else next.reject(error)
    await turn()
    await turn()
  }
}

describe('GroupCommit', () => {
  it('commits as one what is written within a turn, and while the commit before is under way', async () => {
    const disk = new SlowDisk()
    const group = new GroupCommit(disk.commit)
    const first = Promise.all([group.add([use('a')]), group.add([use('b')])])
    await turn()
    const second = Promise.all([group.add([use('c')]), group.add([use('a', 2)])])
    await turn()
    void group.add([use('c', 3)])
    expect(disk.commits).toEqual([['a=1', 'b=1']])
    await disk.answer()
    await first
    expect(disk.commits).toEqual([
      ['a=1', 'b=1'],
      ['c=3', 'a=2'],
    ])
    await disk.answer()
    await second
  })

  it('makes a batch survive the loss of power when one of its changes must', async () => {
    const durabilities: string[] = []
    const group = new GroupCommit(async (_changes, durability) => {
      durabilities.push(durability)
    })
    await group.add([use('a')])
    await Promise.all([group.add([{ ...use('b'), survives: 'power' }]), group.add([use('c')])])
    expect(durabilities).toEqual(['process', 'power'])
  })

  it('commits with what waited what the answer to the commit before brings', async () => {
    const disk = new SlowDisk()
    const group = new GroupCommit(disk.commit)
    void group.add([use('a')]).then(() => group.add([use('b')]))
    await turn()
    void group.add([use('c')])
    await disk.answer()
    expect(disk.commits).toEqual([['a=1'], ['c=1', 'b=1']])
  })

  it('tells each of a batch that failed, and goes on with the next', async () => {
    const disk = new SlowDisk()
    const group = new GroupCommit(disk.commit)
    const writes = [group.add([use('a')]), group.add([use('b')])]
    const settled = Promise.allSettled(writes)
    await turn()
    await disk.answer(new Error('no room'))
    expect((await settled).map(({ status }) => status)).toEqual(['rejected', 'rejected'])
    const later = group.add([use('c')])
    await turn()
    await disk.answer()
    await later
  })

  it('refuses what is too much to wait, takes any one write when nothing waits, and takes the next once there is room', async () => {
    const disk = new SlowDisk()
    const group = new GroupCommit(disk.commit, { waiting: 100, commit: 1_000 })
    const large = group.add([use('a', 'x'.repeat(1_000))])
    await turn()
    await expect(group.add([use('b')])).rejects.toMatchObject({ name: 'StateError', code: 'backlog' })
    await disk.answer()
    await large
    const small = [group.add([use('c', 'x'.repeat(40))]), group.add([use('d', 'x'.repeat(40))])]
    await expect(group.add([use('e', 'x'.repeat(40))])).rejects.toMatchObject({ code: 'backlog' })
    await turn()
    await disk.answer()
    await Promise.all(small)
    expect(disk.commits.flat().map((change) => change.slice(0, 1))).toEqual(['a', 'c', 'd'])
  })

  it('makes several commits of what is large, in order, also when they are asked for at once', async () => {
    for (const atOnce of [false, true]) {
      const disk = new SlowDisk()
      const group = new GroupCommit(disk.commit, { waiting: 1_000, commit: 10 })
      const writes = ['a', 'b', 'c', 'd'].map((key) => group.add([use(key, 123_456)]))
      if (atOnce) group.flush()
      await turn()
      expect(disk.commits).toHaveLength(atOnce ? 2 : 1)
      await disk.answer()
      await disk.answer()
      await Promise.all(writes)
      expect(disk.commits).toEqual([
        ['a=123456', 'b=123456'],
        ['c=123456', 'd=123456'],
      ])
    }
  })
})
