import type { GroupOwner } from '../../contract/group-owner.ts'
import type { InstanceGroup } from '../../contract/instance-group.ts'
import { type ConformanceCase, type ConformanceContext, ensure } from './conformance-case.ts'

type OwnedGroup = InstanceGroup & Required<Pick<InstanceGroup, 'owners' | 'claim'>>

const first: GroupOwner = {
  id: 'conformance-first',
  name: 'fleet one',
  epoch: 1,
  since: Date.parse('2026-01-02T03:04:05Z'),
}
const second: GroupOwner = {
  id: 'conformance-second',
  name: 'fleet two on build-2',
  epoch: 12,
  since: Date.parse('2026-01-02T03:04:06Z'),
}

/**
 * Who has the group: what keeps a second manager from the instances of the first. What was written on the group before
 * stands there again afterwards.
 */
export const ownerCases: readonly ConformanceCase[] = [
  {
    name: 'owner: owners returns the last claim',
    run: (context) =>
      onOwned(context, async (group) => {
        for (const owner of [first, second, { ...second, epoch: 13 }]) {
          await group.claim(owner, context.signal)
          await expectOwner(context, group, owner)
        }
        await group.claim(undefined, context.signal)
        await expectOwner(context, group, undefined)
      }),
  },
  {
    name: 'owner: a second group on the same cloud sees the claim, and its own claim is seen by the first',
    run: (context) =>
      onOwned(context, async (group) => {
        await group.claim(first, context.signal)
        await withSecond(context, async (other) => {
          await expectOwner(context, other, first)
          await other.claim(second, context.signal)
          await expectOwner(context, group, second)
        })
        // It outlives whoever wrote it.
        await expectOwner(context, group, second)
      }),
  },
  {
    name: 'owner: a claim survives launches and removals and removes no instance',
    needs: { instances: 1 },
    run: (context) =>
      onOwned(context, async (group) => {
        await group.claim(first, context.signal)
        const ids = await context.launch(1)
        await expectOwner(context, group, first)
        await group.claim(second, context.signal)
        const rows = await context.list()
        ensure(
          ids.every((id) => rows.some((row) => row.id === id && row.state === 'running')),
          'a claim changed an instance',
        )
        await context.remove(ids)
        await expectOwner(context, group, second)
      }),
  },
]

async function onOwned(context: ConformanceContext, act: (group: OwnedGroup) => Promise<void>): Promise<void> {
  const { group, signal } = context
  if (group.owners === undefined && group.claim === undefined) return context.skip('the group holds no owner')
  ensure(
    group.owners !== undefined && group.claim !== undefined,
    'a group has both owners and claim or neither, and one of them is missing',
  )
  const owned = group as OwnedGroup
  const before = await owned.owners(signal)
  try {
    await act(owned)
  } finally {
    await owned.claim(before[0], signal)
  }
}

async function withSecond(context: ConformanceContext, act: (other: OwnedGroup) => Promise<void>): Promise<void> {
  const other = await context.makeGroup()
  // The group itself: shutting it down would end the run.
  if (other === context.group) return context.skip('there is no second group on the same cloud')
  try {
    await other.init(context.signal)
    // One whose instances are of its own process alone.
    if (other.owners === undefined || other.claim === undefined) return context.skip('the second group holds no owner')
    await act(other as OwnedGroup)
  } finally {
    await other.shutdown()
  }
}

async function expectOwner(
  { signal }: ConformanceContext,
  group: OwnedGroup,
  expected: GroupOwner | undefined,
): Promise<void> {
  const [found, ...others] = await group.owners(signal)
  const shown = (owner: GroupOwner | undefined): string => (owner === undefined ? 'nobody' : JSON.stringify(owner))
  const isSame =
    found?.id === expected?.id &&
    found?.epoch === expected?.epoch &&
    found?.since === expected?.since &&
    found?.name === expected?.name
  ensure(
    isSame && others.length === 0,
    `expected ${shown(expected)} as the owner, got ${[found, ...others].map(shown).join(' and ')}`,
  )
}
