import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ConnectionError, connectionErrorCodes, GroupError } from '../../contract/errors.ts'
import { defaultProvisionerSettings } from '../settings.ts'
import {
  type Brake,
  condemned,
  type HealthRecord,
  isFailing,
  judge,
  meaningOf,
  nextCheckAt,
  withResult,
} from './health.ts'

const settings = { ...defaultProvisionerSettings.health, checkIntervalMs: 60, massFailureProbeMs: 900 }
const record = (results: string, at = 0): HealthRecord | undefined =>
  results
    .split('')
    .reduce<HealthRecord | undefined>((before, result) => withResult(before, result === '+', at, settings), undefined)
const fleet = (...results: string[]): Map<string, HealthRecord> =>
  new Map(results.map((text, index) => [`i-${index}`, record(text)!]))

describe('a health record', () => {
  it.each([
    ['++--', false],
    ['---', true],
    ['-+-+-', true],
    ['-+-+-++', false],
    ['--+++++--', false],
  ])('of %s fails: %s', (results, failing) => {
    expect(isFailing(record(results)!)).toBe(failing)
  })

  it('fails exactly when three of the last five failed', () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { minLength: 1 }), (results) => {
        const last = record(results.map((ok) => (ok ? '+' : '-')).join(''))!
        expect(isFailing(last)).toBe(results.slice(-5).filter((ok) => !ok).length >= 3)
        expect(last.proven).toBe(results.includes(true))
      }),
    )
  })

  it('fails at once when condemned, and is checked sooner after a failure', () => {
    expect(isFailing(condemned(record('+++++'), 0, settings))).toBe(true)
    expect(nextCheckAt(record('+', 1000)!, { ...settings, checkIntervalMs: 60_000 })).toBe(61_000)
    expect(nextCheckAt(record('+-', 1000)!, { ...settings, checkIntervalMs: 60_000 })).toBe(11_000)
  })
})

describe('judge', () => {
  it('replaces the failing few, once the others were checked too', () => {
    const records = fleet('---', '+', '+', '+', '+')
    expect(judge(records, undefined, 59, settings).remove).toEqual([])
    expect(judge(records, undefined, 60, settings)).toEqual({ brake: undefined, remove: ['i-0'], forget: false })
    expect(judge(fleet('---', '---'), undefined, 60, settings).remove).toEqual(['i-0', 'i-1'])
  })

  it('leaves alone what answers again', () => {
    expect(judge(fleet('---+', '+', '+', '+'), undefined, 5000, settings).remove).toEqual([])
  })

  it('removes nobody while many fail at once', () => {
    const outage = fleet('+---', '+---', '+-', '+-', '+')
    const { brake, remove } = judge(outage, undefined, 60, settings)
    expect(remove).toEqual([])
    expect(brake).toEqual({ since: 60, probedAt: 60 })
    expect(judge(outage, brake, 959, settings)).toEqual({ brake, remove: [], forget: false })
  })

  it('lets the brake go when most work again, and forgets what failed meanwhile', () => {
    const brake: Brake = { since: 0, probedAt: 0 }
    expect(judge(fleet('+---', '---+', '--+'), brake, 100, settings)).toEqual({
      brake: undefined,
      remove: [],
      forget: true,
    })
  })

  it('replaces one as a probe in each long while, so that a dead fleet does not stay dead', () => {
    const dead = fleet('---', '---', '---', '---')
    const probe = judge(dead, { since: 0, probedAt: 0 }, 900, settings)
    expect(probe).toEqual({ brake: { since: 0, probedAt: 900 }, remove: ['i-0'], forget: false })
    expect(judge(dead, probe.brake, 1799, settings).remove).toEqual([])
    expect(judge(dead, probe.brake, 1800, settings).remove).toHaveLength(1)
  })

  it('never removes one that does not fail, nor several while at least half fail', () => {
    const results = fc.array(fc.array(fc.constantFrom('+', '-'), { minLength: 1, maxLength: 8 }), { maxLength: 12 })
    fc.assert(
      fc.property(results, fc.boolean(), (fleetResults, braked) => {
        const records = fleet(...fleetResults.map((each) => each.join('')))
        const { remove } = judge(records, braked ? { since: 0, probedAt: 0 } : undefined, 5000, settings)
        for (const id of remove) {
          expect(isFailing(records.get(id)!)).toBe(true)
          expect(records.get(id)!.results.at(-1)).toBe(false)
        }
        const failedNow = [...records.values()].filter(({ results: all }) => all.at(-1) === false).length
        if (failedNow >= 3 && failedNow * 2 >= records.size) expect(remove.length).toBeLessThanOrEqual(braked ? 1 : 0)
      }),
    )
  })
})

describe('meaningOf', () => {
  it('counts against an instance only what it did', () => {
    const meanings = Object.fromEntries(
      connectionErrorCodes.map((code) => [code, meaningOf(new ConnectionError(code, ''))]),
    )
    expect(meanings).toEqual({
      refused_credentials: 'failed',
      host_key_mismatch: 'condemned',
      unreachable: 'failed',
      connection_lost: 'failed',
      expired: 'nothing',
      invalid_config: 'nothing',
      channel_refused: 'nothing',
    })
    expect(meaningOf(new GroupError('not_found', ''))).toBe('gone')
    expect(meaningOf(new GroupError('not_ready', ''))).toBe('nothing')
    expect(meaningOf(new Error('else'))).toBe('nothing')
  })
})
