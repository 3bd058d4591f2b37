import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { HistoryRecord } from './history.ts'
import { checkHistory } from './history-checker.ts'
import { appendHistory, readHistory } from './history-file.ts'
import type { Breach } from './rule.ts'

/** Without its time: a history is given its times by {@link story}. */
type Event = HistoryRecord extends infer Each
  ? Each extends HistoryRecord
    ? Omit<Each, 'at'> & { readonly at?: number }
    : never
  : never

/** Each a second after the one before, where it has no time of its own. */
function story(events: readonly Event[]): HistoryRecord[] {
  let at = 0
  return events.map((event) => {
    at = event.at ?? at + 1000
    return { ...event, at } as HistoryRecord
  })
}

const begin: readonly Event[] = [
  { kind: 'story', maxInstances: 2, resumes: true },
  { kind: 'process', process: 'p1', state: 'started' },
]

const launch = (machine: string, token = `launch of ${machine}`): Event[] => [
  { kind: 'launch_asked', token, count: 1, by: 'p1' },
  { kind: 'launch_decided', token, accepted: 1 },
  { kind: 'machine', machine, state: 'exists', token },
  { kind: 'machine', machine, state: 'lives' },
]

const remove = (machine: string): Event[] => [
  { kind: 'delete_asked', machines: [machine], by: 'p1' },
  { kind: 'machine', machine, state: 'gone' },
]

const take = (job: string, attempt = `${job}#1`): Event[] => [
  { kind: 'job', job },
  { kind: 'handed_out', job, attempt, to: 'p1', heard: true },
  { kind: 'accept_told', job, attempt, by: 'p1', answer: 'taken', heard: true },
]

const run = (job: string, machine: string, slot = '0'): Event => ({
  kind: 'script_started',
  run: `r-${job}`,
  machine,
  slot,
  job,
})
const ends = (job: string, exit = 0): Event => ({ kind: 'script_ended', run: `r-${job}`, exit })
const prints = (job: string, lines: number): Event[] =>
  Array.from({ length: lines }, (_, n): Event => ({ kind: 'line', run: `r-${job}`, text: `${job} line ${n}` }))

const traceOf = (job: string, lines: number): string =>
  `Running with a runner\n${Array.from({ length: lines }, (_, n) => `${job} line ${n}\n`).join('')}Job succeeded\n`

const stores = (job: string, text: string, offset = 0): Event => ({
  kind: 'trace',
  job,
  attempt: `${job}#1`,
  offset,
  bytes: Buffer.from(text),
})

const tells = (job: string, text: string, state: 'success' | 'failed' = 'success', reason?: string): Event[] => [
  {
    kind: 'end_told',
    job,
    attempt: `${job}#1`,
    by: 'p1',
    state,
    ...(reason !== undefined && { reason }),
    trace: { crc32: crc32(text), bytes: Buffer.byteLength(text) },
    answer: 'taken',
    heard: true,
  },
  { kind: 'ended', job, state, ...(reason !== undefined && { reason }), by: 'runner' },
]

const over: Event = { kind: 'over' }

const oneJob = (job: string, machine: string, lines = 3, slot = '0'): Event[] => [
  ...take(job),
  run(job, machine, slot),
  ...prints(job, lines),
  ends(job),
  stores(job, traceOf(job, lines).slice(0, 30)),
  stores(job, traceOf(job, lines).slice(30), 30),
  ...tells(job, traceOf(job, lines)),
]

/** What is made for it is not removed. */
const withBox = (job: string): Event[] =>
  oneJob(job, 'm1').flatMap((event): Event[] =>
    event.kind === 'script_started' ? [{ kind: 'made', machine: 'm1', thing: `box of ${job}`, job }, event] : [event],
  )

const ofProject = (project: string, events: readonly Event[]): Event[] =>
  events.map((event) => (event.kind === 'job' ? { ...event, project } : event))

/** Two machines, three jobs, a restart, a cancelled job, a lost machine, a hand-out that was lost. */
const good: readonly Event[] = [
  ...begin,
  { kind: 'secret', text: 'sesame-opens' },
  ...launch('m1'),
  ...oneJob('j1', 'm1'),
  { kind: 'recorded', where: 'a log', text: 'a job has ended' },
  ...launch('m2'),
  { kind: 'job', job: 'j4' },
  { kind: 'handed_out', job: 'j4', attempt: 'j4#0', to: 'p1', heard: false },
  { kind: 'taken_back', job: 'j4', attempt: 'j4#0' },
  ...take('j2'),
  run('j2', 'm1'),
  ...prints('j2', 2),
  { kind: 'process', process: 'p1', state: 'killed' },
  { kind: 'process', process: 'p2', state: 'started' },
  ends('j2'),
  stores('j2', traceOf('j2', 2)),
  { ...(tells('j2', traceOf('j2', 2))[0] as Event & { kind: 'end_told' }), by: 'p2', heard: false },
  { kind: 'ended', job: 'j2', state: 'success', by: 'runner' },
  { ...(tells('j2', traceOf('j2', 2))[0] as Event & { kind: 'end_told' }), by: 'p2', answer: 'refused' },
  { kind: 'handed_out', job: 'j4', attempt: 'j4#1', to: 'p2', heard: true },
  { kind: 'accept_told', job: 'j4', attempt: 'j4#1', by: 'p2', answer: 'taken', heard: true },
  run('j4', 'm2'),
  ...prints('j4', 1),
  { kind: 'cancel_asked', job: 'j4' },
  { kind: 'script_ended', run: 'r-j4', exit: 'killed' },
  stores('j4', 'Running with a runner\n'),
  { kind: 'end_told', job: 'j4', attempt: 'j4#1', by: 'p2', state: 'canceled', answer: 'taken', heard: true },
  { kind: 'ended', job: 'j4', state: 'canceled', by: 'runner' },
  ...take('j3'),
  run('j3', 'm2', '1'),
  ...prints('j3', 5),
  { kind: 'trouble', what: 'interrupted', machine: 'm2', state: 'happens' },
  { kind: 'machine', machine: 'm2', state: 'gone' },
  stores('j3', traceOf('j3', 4).replace('Job succeeded\n', 'lost\n')),
  {
    kind: 'end_told',
    job: 'j3',
    attempt: 'j3#1',
    by: 'p2',
    state: 'failed',
    reason: 'runner_system_failure',
    answer: 'taken',
    heard: true,
  },
  { kind: 'ended', job: 'j3', state: 'failed', reason: 'runner_system_failure', by: 'runner' },
  ...launch('m3'),
  ...remove('m1'),
  ...remove('m3'),
  over,
]

const breaches = (events: readonly Event[]): Breach[] => [
  ...new Set(checkHistory(story(events)).map(({ breach }) => breach)),
]

describe('a history', () => {
  test('of kept promises has no findings', () => {
    expect(checkHistory(story(good))).toEqual([])
  })

  test('is the same when it was written to a file and read again', () => {
    const folder = mkdtempSync(join(tmpdir(), 'history-'))
    try {
      const records = story(good)
      appendHistory(join(folder, 'one'), records.slice(10))
      appendHistory(join(folder, 'other'), records.slice(0, 10))
      expect(readHistory(join(folder, 'one'), join(folder, 'other'))).toEqual(records)
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})

const text1 = traceOf('j1', 3)
const ended = (events: readonly Event[], by: 'timeout' | 'abandoned' = 'timeout'): Event[] => [
  ...events,
  { kind: 'ended', job: 'j1', state: 'failed', by },
  over,
]
const m1 = [...begin, ...launch('m1')]
const runs = [...m1, ...take('j1'), run('j1', 'm1')]
const told: Event = { kind: 'wait_told', job: 'j1', by: 'p1', text: '' }
const later = (seconds: number): Event => ({
  kind: 'recorded',
  where: 'a log',
  text: 'time passes',
  at: seconds * 1000,
})

/** Each with what happened last being wrong, and nothing else. */
const bad: readonly (readonly [Breach, string, readonly Event[]])[] = [
  ['script started twice', 'in another slot', ended([...runs, { ...run('j1', 'm1', '1'), run: 'again' } as Event])],
  [
    'script started twice',
    'after the first run ended',
    ended([...runs, ends('j1'), { ...run('j1', 'm1'), run: 'again' } as Event]),
  ],
  ['script started before its job was accepted', 'at once', ended([...m1, ...take('j1').slice(0, 2), run('j1', 'm1')])],
  ['two scripts in one slot', 'of two jobs', ended([...runs, ...oneJob('j2', 'm1')])],
  [
    'two scripts in one slot',
    'beside what an ended one left',
    ended([...runs, { kind: 'script_ended', run: 'r-j1', exit: 'killed', leftovers: true }, ...oneJob('j2', 'm1')]),
  ],
  ['job ended twice', 'once by the runner, once by time-out', ended([...m1, ...oneJob('j1', 'm1')])],
  [
    'end told again',
    'by a process that heard the answer',
    [...m1, ...oneJob('j1', 'm1'), tells('j1', text1)[0]!, over],
  ],
  [
    'end told again',
    'by the process after one that had time to keep that it heard it',
    [
      ...m1,
      ...oneJob('j1', 'm1'),
      later(200),
      { kind: 'process', process: 'p1', state: 'killed' },
      { kind: 'process', process: 'p2', state: 'started' },
      { ...tells('j1', text1)[0]!, by: 'p2', answer: 'refused' } as Event,
      over,
    ],
  ],
  [
    'end told otherwise',
    'after an answer that was not heard',
    [
      ...m1,
      ...oneJob('j1', 'm1').slice(0, -2),
      { ...tells('j1', text1)[0]!, heard: false } as Event,
      { kind: 'ended', job: 'j1', state: 'success', by: 'runner' },
      { ...tells('j1', text1)[0]!, state: 'failed', answer: 'refused' } as Event,
      over,
    ],
  ],
  ['job not ended', 'that was accepted', [...m1, ...take('j1'), over]],
  ['job not ended', 'that nobody took', [...m1, { kind: 'job', job: 'j1' }, over]],
  ['job given up by the coordinator', 'that was accepted', ended([...m1, ...take('j1')], 'abandoned')],
  [
    'job dropped',
    'by a process that lives',
    ended([...m1, ...take('j1').slice(0, 2), { kind: 'taken_back', job: 'j1', attempt: 'j1#1' }]),
  ],
  [
    'end is not true',
    'success without a script',
    [...m1, ...take('j1'), { kind: 'ended', job: 'j1', state: 'success', by: 'runner' }, over],
  ],
  [
    'end is not true',
    'success of a script that failed',
    [...runs, ends('j1', 1), { kind: 'ended', job: 'j1', state: 'success', by: 'runner' }, over],
  ],
  [
    'end is not true',
    'failure of a script that succeeded',
    [...runs, ends('j1'), { kind: 'ended', job: 'j1', state: 'failed', reason: 'script_failure', by: 'runner' }, over],
  ],
  [
    'job failed without need',
    'while its script ran',
    [...runs, { kind: 'ended', job: 'j1', state: 'failed', reason: 'runner_system_failure', by: 'runner' }, over],
  ],
  [
    'job failed without need',
    'before it had waited',
    [
      ...m1,
      ...take('j1'),
      { kind: 'ended', job: 'j1', state: 'failed', reason: 'runner_system_failure', by: 'runner' },
      over,
    ],
  ],
  ['trace with a gap', 'between two pieces', ended([...runs, stores('j1', 'one\n'), stores('j1', 'three\n', 8)])],
  [
    'trace with another checksum',
    'of the same length',
    [...m1, ...oneJob('j1', 'm1').slice(0, -2), ...tells('j1', text1.replace('Running', 'Humming')), over],
  ],
  ['line lost', 'between others', ended([...runs, ...prints('j1', 3), stores('j1', 'j1 line 0\nj1 line 2\n')])],
  [
    'line lost',
    'at the end of a job that succeeded',
    [
      ...runs,
      ...prints('j1', 3),
      ends('j1'),
      stores('j1', 'j1 line 0\nj1 line 1\nj1 line'),
      ...tells('j1', 'j1 line 0\nj1 line 1\nj1 line'),
      over,
    ],
  ],
  ['line twice', 'in a row', ended([...runs, ...prints('j1', 3), stores('j1', 'j1 line 0\nj1 line 1\nj1 line 1\n')])],
  ['lines out of order', 'by one', ended([...runs, ...prints('j1', 3), stores('j1', 'j1 line 1\nj1 line 0\n')])],
  [
    'line of another job',
    'that ran before',
    ended([...m1, ...oneJob('j2', 'm1'), ...take('j1'), stores('j1', 'j2 line 0\n')]),
  ],
  ['leased machine deleted', 'while a script runs', ended([...runs, ...remove('m1')])],
  [
    'leased machine deleted',
    'that lists had left out',
    ended([
      ...runs,
      { kind: 'listed', machines: ['m1'] },
      { kind: 'listed', machines: [] },
      { kind: 'listed', machines: [] },
      ...remove('m1'),
    ]),
  ],
  ['more machines than the maximum', 'by one', [...begin, ...launch('m1'), ...launch('m2'), ...launch('m3'), over]],
  [
    'more machines than the maximum',
    'beside one that a list left out once',
    [
      ...m1,
      ...launch('m2'),
      { kind: 'listed', machines: ['m1', 'm2'] },
      { kind: 'listed', machines: ['m1'] },
      ...launch('m3'),
      over,
    ],
  ],
  [
    'machine of others used',
    'that appeared while the story went on',
    ended([
      ...m1,
      { kind: 'machine', machine: 's', state: 'exists', origin: 'strange' },
      { kind: 'machine', machine: 's', state: 'lives' },
      { kind: 'listed', machines: ['m1', 's'] },
      ...take('j1'),
      run('j1', 's'),
    ]),
  ],
  [
    'projects on one machine',
    'one after the other',
    ended([
      { kind: 'story', maxInstances: 2, resumes: true, separatesProjects: true },
      ...m1.filter(({ kind }) => kind !== 'story'),
      ...ofProject('1', oneJob('j2', 'm1')),
      ...ofProject('2', [...take('j1'), run('j1', 'm1')]),
    ]),
  ],
  [
    'something left',
    'of a job that has ended, beside the next one',
    ended([...m1, ...withBox('j2'), ...take('j1'), run('j1', 'm1'), later(90)]),
  ],
  [
    'something left',
    'that nobody can say whose it is',
    ended([
      ...m1,
      { kind: 'made', machine: 'm1', thing: 'a box' },
      ...oneJob('j2', 'm1'),
      later(60),
      ...take('j1'),
      run('j1', 'm1'),
      later(120),
    ]),
  ],
  [
    'thing of others removed',
    'beside a job',
    ended([
      ...m1,
      { kind: 'made', machine: 'm1', thing: 'a box', strange: true },
      ...take('j1'),
      run('j1', 'm1'),
      { kind: 'removed', machine: 'm1', thing: 'a box' },
    ]),
  ],
  [
    'reason not true',
    'of an instance that nobody makes',
    [
      ...m1,
      later(300),
      { ...told, text: '1 instance is starting (requested 3 s ago)' } as Event,
      run('j1', 'm1'),
      later(500),
      over,
    ].filter(({ kind }) => kind !== 'script_started'),
  ],
  [
    'reason not true',
    'of a cloud that refused nothing',
    [...m1, { ...told, text: '2 more wanted, but launches back off after 1 failure' } as Event],
  ],
  ['reason not true', 'of state that could be written', [...m1, { ...told, text: 'state cannot be written' } as Event]],
  [
    'reason not true',
    'of a maximum that is not reached',
    [
      ...m1,
      later(300),
      { ...told, text: '2 more wanted, but max_instances is reached: existing: 2, requested: 0' } as Event,
    ],
  ],
  [
    'secret recorded',
    'in a log',
    [
      { kind: 'secret', text: 's3cr"t' },
      { kind: 'recorded', where: 'a log', text: '{"token":"s3cr\\"t"}' },
    ],
  ],
  [
    'secret recorded',
    'in two pieces of a trace',
    ended([{ kind: 'secret', text: 'sesame' }, ...runs, stores('j1', 'ses'), stores('j1', 'ame\n', 3)]),
  ],
  ['history without sense', 'in its times', [over, { kind: 'over', at: 0 }]],
]

describe('the checker finds', () => {
  test.each(bad)('%s: %s', (breach, _, events) => {
    expect(breaches(used(events))).toEqual([breach])
  })

  test('every breach that it knows by one of these', () => {
    const source = readFileSync(new URL('rule.ts', import.meta.url), 'utf8')
    const known = [...source.matchAll(/^ {2}\| '([^']+)'$/gm)].map(([, breach]) => breach)
    expect(known.length).toBeGreaterThan(20)
    expect(new Set(bad.map(([breach]) => breach))).toEqual(new Set(known))
  })
})

/** The machine of these stories was used by a job before: it is not being made. */
function used(events: readonly Event[]): readonly Event[] {
  if (!events.some(({ kind }) => kind === 'wait_told')) return events
  const at = events.findIndex((event) => event.kind === 'machine' && event.state === 'lives') + 1
  return [...events.slice(0, at), ...oneJob('j0', 'm1'), ...events.slice(at)]
}

describe('the checker does not find', () => {
  test.each<readonly [string, readonly Event[]]>([
    [
      'something left that was removed',
      ended([
        ...m1,
        ...withBox('j2'),
        ...take('j1'),
        run('j1', 'm1'),
        { kind: 'removed', machine: 'm1', thing: 'box of j2' },
        later(90),
      ]),
    ],
    [
      'something left by a process that was killed, while no job came',
      ended([...m1, ...withBox('j2'), later(300), ...take('j1'), run('j1', 'm1')]),
    ],
    [
      'something left while the machine could not be reached',
      ended([
        ...m1,
        ...withBox('j2'),
        ...take('j1'),
        run('j1', 'm1'),
        { kind: 'trouble', what: 'unreachable', state: 'happens', machine: 'm1' },
        later(90),
      ]),
    ],
    [
      'something of a job that runs',
      ended([
        ...m1,
        ...take('j1'),
        { kind: 'made', machine: 'm1', thing: 'box', job: 'j1' },
        run('j1', 'm1'),
        later(90),
      ]),
    ],
    [
      'a machine deleted that could not be reached',
      ended([...runs, { kind: 'trouble', what: 'unreachable', state: 'happens' }, ...remove('m1')]),
    ],
    [
      'a machine deleted whose job was cancelled',
      ended([...runs, { kind: 'cancel_asked', job: 'j1' }, ...remove('m1')]),
    ],
    [
      'a stranger above the maximum',
      [...m1, ...launch('m2'), { kind: 'machine', machine: 's', state: 'exists', origin: 'strange' }, over],
    ],
    [
      'a machine above the maximum beside one that lists left out twice',
      [
        ...m1,
        ...launch('m2'),
        { kind: 'listed', machines: ['m1', 'm2'] },
        { kind: 'listed', machines: ['m1'] },
        { kind: 'listed', machines: ['m1'] },
        ...launch('m3'),
        over,
      ],
    ],
    [
      'a machine above the maximum beside one that was said to be on its way out, and that a list left out',
      [
        ...m1,
        ...launch('m2'),
        { kind: 'listed', machines: ['m1', 'm2'], deleting: ['m2'] },
        { kind: 'listed', machines: ['m1'] },
        ...launch('m3'),
        over,
      ],
    ],
    [
      'an end told again after the process that heard of it was killed at once',
      [
        ...m1,
        ...oneJob('j1', 'm1'),
        { kind: 'process', process: 'p1', state: 'killed' },
        { kind: 'process', process: 'p2', state: 'started' },
        { ...tells('j1', text1)[0]!, by: 'p2', answer: 'refused' } as Event,
        over,
      ],
    ],
    [
      'a reason that comes true a little later',
      [
        ...m1,
        later(300),
        { ...told, text: '2 instances are starting (requested 1 s ago)' } as Event,
        ...launch('m2'),
        later(500),
        over,
      ],
    ],
    [
      'lines with times and colours',
      ended([
        ...runs,
        ...prints('j1', 2),
        stores('j1', '2026-01-02T03:04:05.123456Z 00O j1 line 0\n\u001b[0;mj1 line 1\u001b[0m\n'),
      ]),
    ],
  ])('%s', (_, events) => {
    expect(checkHistory(story(events))).toEqual([])
  })
})

/** Each makes a good history a bad one, at a place of its choice. */
const spoils: Readonly<
  Record<string, (events: readonly Event[], pick: (count: number) => number) => readonly Event[]>
> = {
  'a script starts once more': (events, pick) => {
    const starts = indexesOf(events, ({ kind }) => kind === 'script_started')
    const at = starts[pick(starts.length)]!
    return insert(events, at + 1, { ...events[at]!, run: 'again', slot: '9' } as Event)
  },
  'an end is left out': (events, pick) =>
    without(
      events,
      indexesOf(events, ({ kind }) => kind === 'ended'),
      pick,
    ),
  'an end comes once more': (events, pick) => {
    const at = indexesOf(events, ({ kind }) => kind === 'ended')
    const chosen = at[pick(at.length)]!
    return insert(events, chosen + 1, events[chosen]!)
  },
  'a piece of a trace is left out': (events, pick) => {
    const isWhole = (job: string): boolean =>
      events.some((event) => event.kind === 'ended' && event.job === job && event.state === 'success')
    return without(
      events,
      indexesOf(events, (event) => event.kind === 'trace' && isWhole(event.job)),
      pick,
    )
  },
  'a line is another in the trace': (events, pick) => {
    const pieces = indexesOf(
      events,
      (event) => event.kind === 'trace' && /\nj\d line \d/.test(Buffer.from(event.bytes).toString()),
    )
    const at = pieces[pick(pieces.length)]!
    const piece = events[at] as Event & { kind: 'trace' }
    const text = Buffer.from(piece.bytes)
      .toString()
      .replace(/\n(j\d) line (\d)/, '\n$1 like $2')
    return [...events.slice(0, at), { ...piece, bytes: Buffer.from(text) }, ...events.slice(at + 1)]
  },
  'a machine goes while it is used': (events, pick) => {
    const starts = indexesOf(events, ({ kind }) => kind === 'script_started')
    const at = starts[pick(starts.length)]!
    const { machine } = events[at] as Event & { kind: 'script_started' }
    return insert(events, at + 1, { kind: 'delete_asked', machines: [machine], by: 'p1' })
  },
  'two more machines are made': (events, pick) => {
    const at = 6 + pick(events.length - 10)
    return [...events.slice(0, at), ...launch('x1'), ...launch('x2'), ...launch('x3'), ...events.slice(at)]
  },
  'a secret is recorded': (events, pick) =>
    insert(events, 4 + pick(events.length - 4), { kind: 'recorded', where: 'a page', text: 'say sesame-opens!' }),
  'an acceptance is left out': (events, pick) =>
    without(
      events,
      indexesOf(events, ({ kind }) => kind === 'accept_told'),
      pick,
    ),
}

function indexesOf(events: readonly Event[], is: (event: Event) => boolean): number[] {
  return events.flatMap((event, index) => (is(event) ? [index] : []))
}

function insert(events: readonly Event[], at: number, event: Event): readonly Event[] {
  return [...events.slice(0, at), event, ...events.slice(at)]
}

function without(
  events: readonly Event[],
  indexes: readonly number[],
  pick: (count: number) => number,
): readonly Event[] {
  return events.toSpliced(indexes[pick(indexes.length)]!, 1)
}

test.each(Object.keys(spoils))('a good history is found to be bad wherever %s', (name) => {
  fc.assert(
    fc.property(fc.nat(), (n) => {
      const events = spoils[name]!(good, (count) => n % count)
      expect(checkHistory(story(events))).not.toEqual([])
    }),
  )
})

test('the checker imports nothing but Node and itself', () => {
  const sources = readdirSync(new URL('.', import.meta.url)).filter((file) => !file.endsWith('.test.ts'))
  const imported = sources.flatMap((file) =>
    [...readFileSync(new URL(file, import.meta.url), 'utf8').matchAll(/(?:from|import)\s*\(?\s*['"]([^'"]+)['"]/g)].map(
      ([, from]) => from!,
    ),
  )
  expect(imported.length).toBeGreaterThan(10)
  expect(imported.filter((from) => !from.startsWith('node:') && !/^\.\/[\w-]+\.ts$/.test(from))).toEqual([])
})

describe('a loss of power', () => {
  const power: Event = { kind: 'trouble', what: 'power', state: 'happens' }
  const breachesOf = (events: readonly Event[]): readonly Breach[] =>
    checkHistory(story(events)).map(({ breach }) => breach)

  test('excuses that a job is forgotten that was accepted in the second before, and no other', () => {
    const accepted = [...begin, ...launch('m1'), ...take('j1')]
    expect(breachesOf(ended([...accepted, power], 'abandoned'))).toEqual([])
    expect(breachesOf(ended([...accepted, ...launch('m2'), power], 'abandoned'))).toEqual([
      'job given up by the coordinator',
    ])
  })

  test('excuses that the end of a script is forgotten, and not that a job fails whose script runs', () => {
    const failed: Event = { kind: 'ended', job: 'j1', state: 'failed', reason: 'runner_system_failure', by: 'runner' }
    const running = [...begin, ...launch('m1'), ...take('j1'), run('j1', 'm1')]
    expect(breachesOf([...running, ends('j1'), power, failed])).toEqual([])
    expect(breachesOf([...running, power, failed])).toEqual(['job failed without need'])
  })

  test('does not excuse that a script starts again', () => {
    const again: Event = { kind: 'script_started', run: 'again', machine: 'm1', slot: '1', job: 'j1' }
    expect(breachesOf([...begin, ...launch('m1'), ...take('j1'), run('j1', 'm1'), power, again])).toEqual([
      'script started twice',
    ])
  })
})
