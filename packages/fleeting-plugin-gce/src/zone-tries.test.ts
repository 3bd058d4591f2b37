import { GroupError, type ListedInstance } from '@runner-core/fleeting'
import { ManualClock } from '@runner-core/fleeting/testing'
import { describe, expect, test } from 'vitest'
import type { ManagedInstance } from './compute-api.ts'
import { stallMs, ZoneTries } from './zone-tries.ts'

const zones = ['europe-west1-b', 'europe-west1-c'].map((zone) => ({
  zone: `https://compute/v1/projects/p/zones/${zone}`,
}))

function failed(zone: string, code: 'capacity' | 'quota' = 'capacity') {
  const shown: ManagedInstance = {
    name: 'a',
    instance: `https://compute/v1/projects/p/zones/${zone}/instances/a`,
    currentAction: 'CREATING',
  }
  const row: ListedInstance = { id: 'a', state: 'failed', detail: 'no room', error: new GroupError(code, 'no room') }
  return [new Map([['a', shown]]), [row]] as const
}

function triesOf(targetShape: string) {
  const clock = new ManualClock()
  const tries = new ZoneTries(clock)
  tries.of({ name: 'runners', distributionPolicy: { zones, targetShape } })
  const stateIn = (zone: string, code?: 'quota') => tries.judge(...failed(zone, code)).map(({ state }) => state)
  return { clock, tries, stateIn }
}

describe('a machine that found no room in a zone', () => {
  test('is starting until every zone has refused it', () => {
    const { stateIn } = triesOf('ANY')
    expect(stateIn('europe-west1-b')).toEqual(['creating'])
    expect(stateIn('europe-west1-b')).toEqual(['creating'])
    expect(stateIn('europe-west1-c')).toEqual(['failed'])
    expect(stateIn('europe-west1-b')).toEqual(['failed'])
  })

  test('has failed after a minute in the same zone', async () => {
    const { clock, stateIn } = triesOf('BALANCED')
    expect(stateIn('europe-west1-b')).toEqual(['creating'])
    await clock.advance(stallMs)
    expect(stateIn('europe-west1-b')).toEqual(['failed'])
  })

  test('has failed at once where the group goes to no other zone, or no zone would help', () => {
    expect(triesOf('EVEN').stateIn('europe-west1-b')).toEqual(['failed'])
    expect(triesOf('ANY').stateIn('europe-west1-b', 'quota')).toEqual(['failed'])
    const zonal = new ZoneTries(new ManualClock())
    zonal.of({ name: 'runners' })
    expect(zonal.judge(...failed('europe-west1-b')).map(({ state }) => state)).toEqual(['failed'])
  })

  test('is forgotten once the group shows it no more', () => {
    const { tries, stateIn } = triesOf('ANY')
    stateIn('europe-west1-b')
    tries.judge(new Map(), [])
    expect(stateIn('europe-west1-c')).toEqual(['creating'])
  })
})
