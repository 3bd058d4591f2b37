import { ManualClock } from '@runner-core/fleeting/testing'
import * as fc from 'fast-check'
import { beforeEach, expect, test } from 'vitest'
import { LogSink } from './log-sink.ts'

let clock: ManualClock
let written: string
/** Bytes that there is room for. */
let room: number
let code: string
let attempts: number

beforeEach(() => {
  clock = new ManualClock()
  written = ''
  room = Number.POSITIVE_INFINITY
  code = 'ENOSPC'
  attempts = 0
})

function open(capacityBytes?: number): LogSink {
  const sink = new LogSink({
    write(bytes) {
      attempts += 1
      if (room === 0) throw Object.assign(new Error('no room'), { code })
      const taken = Math.min(room, bytes.length)
      room -= taken
      written += bytes.toString('utf8', 0, taken)
      return taken
    },
    after: (delayMs, callback) => clock.after(delayMs, callback),
    ...(capacityBytes !== undefined && { capacityBytes }),
  })
  sink.onRoom = ({ lost, code: why }) => sink.line(`${lost} lost: ${why}\n`)
  return sink
}

test('a line is written at once', () => {
  open().line('one\n')
  expect(written).toBe('one\n')
})

test('a full disk makes no line throw; what waited, and how many lines were lost, is written once there is room', async () => {
  room = 6
  const sink = open(13)
  for (const line of ['one\n', 'two\n', 'three\n', 'four\n', 'five\n']) sink.line(line)
  expect([written, sink.lost, sink.trouble]).toEqual(['one\ntw', 1, { code: 'ENOSPC', lost: 1 }])
  room = 1_000
  await clock.advance(100)
  expect([written, sink.lost, sink.trouble]).toEqual(['one\ntwo\nthree\nfour\n1 lost: ENOSPC\n', 1, undefined])
  sink.line('six\n')
  expect(written).toMatch(/ENOSPC\nsix\n$/)
})

test.each(['EAGAIN', 'EIO', 'EPIPE', 'EBADF'])('%s is borne as a full disk is', async (given) => {
  code = given
  room = 0
  const sink = open()
  sink.line('one\n')
  expect(sink.trouble?.code).toBe(given)
  room = 1_000
  await clock.advance(100)
  expect(written).toBe('one\n')
})

test('a sink without room costs one attempt in 100 ms, however many lines come, and its memory is bounded', async () => {
  room = 0
  const sink = open(1_000)
  for (let count = 0; count < 100_000; count++) sink.line('a line\n')
  expect([attempts, sink.lost]).toEqual([1, 100_000 - Math.floor(1_000 / 7)])
  await clock.advance(1_000)
  expect(attempts).toBe(11)
})

test('a target that takes nothing without a word is tried later, not at once', () => {
  const sink = new LogSink({ write: () => 0, after: () => () => {} })
  sink.line('one\n')
  expect(sink.trouble?.code).toBe('EAGAIN')
})

test('whatever room there is, each line is written whole and in order or lost and counted', async () => {
  const step = fc.oneof(fc.record({ line: fc.string({ maxLength: 20 }) }), fc.record({ room: fc.nat(60) }))
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      clock = new ManualClock()
      written = ''
      room = 0
      const sink = open(100)
      const reports: number[] = []
      sink.onRoom = ({ lost }) => reports.push(lost)
      const given: string[] = []
      for (const each of steps) {
        if ('room' in each) {
          room = each.room
          await clock.advance(100)
        } else {
          const line = `${given.length} ${each.line.replaceAll('\n', '')}\n`
          given.push(line)
          sink.line(line)
        }
      }
      room = Number.POSITIVE_INFINITY
      await clock.advance(100)
      const got = written.split('\n').slice(0, -1)
      const numbers = got.map((line) => Number(line.split(' ')[0]))
      expect(got.map((line) => `${line}\n`)).toEqual(numbers.map((number) => given[number]))
      expect(numbers).toEqual([...numbers].sort((one, other) => one - other))
      expect(sink.lost).toBe(given.length - got.length)
      expect(reports.reduce((sum, lost) => sum + lost, 0)).toBe(sink.lost)
    }),
  )
})
