import { EventEmitter } from 'node:events'
import type { Logger } from '@runner-core/fleeting'
import { ManualClock } from '@runner-core/fleeting/testing'
import { beforeEach, expect, test } from 'vitest'
import type { Departure } from '../supervisor/fleet-departure.ts'
import type { StopMode, StopReport } from '../supervisor/runner-supervisor.ts'
import { untilStopped } from './until-stopped.ts'

let stops: StopMode[]
let lines: string[]
let process: EventEmitter & { exit(code: number): void }
let ended: Promise<number>
let finish: (report: StopReport) => void
let depart: (how: Departure) => void
let keepsState: 'all' | 'some' | 'none'
let clock: ManualClock

beforeEach(() => {
  stops = []
  keepsState = 'none'
  clock = new ManualClock()
  lines = []
  const report = new Promise<StopReport>((resolve) => {
    finish = resolve
  })
  process = Object.assign(new EventEmitter(), { exit: (code: number) => void lines.push(`exit ${code}`) })
  const line = (fields: object, message: string): void => void lines.push(`${message} ${JSON.stringify(fields)}`)
  const logger: Logger = { debug: line, info: line, warn: line, error: (_fields, message) => void lines.push(message) }
  const departed = new Promise<Departure>((resolve) => {
    depart = resolve
  })
  const runner = {
    departed,
    unreportedJobs: 2,
    get keepsState() {
      return keepsState
    },
    stopStateless: async () => void lines.push('stateless ones stop'),
    stop(mode: StopMode) {
      stops.push(mode)
      return report
    },
  }
  const endAtOnce = (code: number): void => void lines.push(`ends at once with ${code}`)
  ended = untilStopped({ runner, process, clock, logger, endAtOnce, maxStopMs: 60_000 })
})

test('a signal stops, and the report decides the exit code', async () => {
  process.emit('SIGTERM')
  finish({ unreportedJobs: 0, remainingInstances: [] })
  expect([await ended, stops]).toEqual([0, ['fast']])
})

test.each([
  ['handed over', 0],
  ['lost', 1],
] as const)('it ends when its fleets were %s, with code %i', async (how, code) => {
  depart(how)
  expect([await ended, stops]).toEqual([code, []])
})

test('errors that nobody caught are all logged, and stop once; none ends the process before it has stopped', async () => {
  for (const reason of ['one', 'two', 'three']) expect(process.emit('uncaughtException', new Error(reason))).toBe(true)
  finish({ unreportedJobs: 0, remainingInstances: [] })
  expect([await ended, stops]).toEqual([1, ['fast']])
  expect(lines).toEqual([
    'unexpected error, stopping',
    'unexpected error while stopping',
    'unexpected error while stopping',
  ])
})

test('a hard stop says what it leaves, then ends the process', () => {
  process.emit('SIGTERM')
  process.emit('SIGTERM')
  expect(stops).toEqual(['fast'])
  expect(lines).toEqual(['runner stops {"mode":"now","unreported_jobs":2}', 'exit 1'])
})

test('an error that nobody caught ends a process at once whose runners all keep state: none is stopped', () => {
  keepsState = 'all'
  process.emit('uncaughtException', new Error('boom'))
  expect([stops, lines]).toEqual([
    [],
    ['unexpected error: the process ends, the next start resumes its jobs', 'ends at once with 3'],
  ])
})

test('an error that nobody caught stops only the runners without state, then ends the process', async () => {
  keepsState = 'some'
  process.emit('uncaughtException', new Error('boom'))
  await clock.advance(0)
  expect([stops, lines]).toEqual([[], ['unexpected error, stopping', 'stateless ones stop', 'ends at once with 3']])
})

test('the stop after an error that nobody caught is bounded in time', async () => {
  process.emit('uncaughtException', new Error('boom'))
  await clock.advance(59_999)
  expect(lines).toEqual(['unexpected error, stopping'])
  await clock.advance(1)
  expect(lines.at(-1)).toBe('ends at once with 1')
})

test('errors without end are neither all logged nor waited for', () => {
  for (let count = 0; count < 1_001; count++) process.emit('uncaughtException', new Error(`number ${count}`))
  expect([lines.length, lines.at(-1)]).toEqual([11, 'ends at once with 1'])
})
