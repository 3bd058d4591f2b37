import { EventEmitter } from 'node:events'
import type { Logger } from '@runner-core/fleeting'
import { ManualClock } from '@runner-core/fleeting/testing'
import { beforeEach, expect, test } from 'vitest'
import type { Departure, StopMode, StopReport } from '../configured-runner.ts'
import { untilStopped } from './until-stopped.ts'

let stops: StopMode[]
let lines: string[]
let process: EventEmitter & { exit(code: number): void }
let ended: Promise<number>
let finish: (report: StopReport) => void
let depart: (how: Departure) => void

beforeEach(() => {
  stops = []
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
    stop(mode: StopMode) {
      stops.push(mode)
      return report
    },
  }
  ended = untilStopped({ runner, process, clock: new ManualClock(), logger })
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
  expect(lines).toEqual(['unexpected error, stopping', 'unexpected error while stopping', 'unexpected error while stopping'])
})

test('a hard stop says what it leaves, then ends the process', () => {
  process.emit('SIGTERM')
  process.emit('SIGTERM')
  expect(stops).toEqual(['fast'])
  expect(lines).toEqual(['runner stops {"mode":"now","unreported_jobs":2}', 'exit 1'])
})
