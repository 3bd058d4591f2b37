import { stripVTControlCharacters } from 'node:util'
import { expect, test } from 'vitest'
import { countLines } from './count-lines.ts'
import { createLogger } from './create-logger.ts'
import { withFields } from './with-fields.ts'

function logged(
  format: 'json' | 'text',
  secrets: readonly string[],
  log: (logger: ReturnType<typeof createLogger>) => void,
  hasColors = false,
): readonly string[] {
  const lines: string[] = []
  log(createLogger({ level: 'info', format, secrets, hasColors, write: (line) => lines.push(line) }))
  return lines
}

test('a JSON line has its level, time, message and fields', () => {
  const [line] = logged('json', [], (logger) => logger.info({ job: 7 }, 'job finished'))
  expect(JSON.parse(line as string)).toEqual({
    level: 'info',
    time: expect.stringMatching(/^\d{4}-.*Z$/),
    job: 7,
    msg: 'job finished',
  })
})

test('a text line is one line, whatever its fields hold', () => {
  const fields = { job: 7, reason: 'a "quoted"\nword', empty: '', list: [1], error: new Error('it\nbroke') }
  const [line, ...more] = logged('text', [], (logger) => logger.warn(fields, 'job finished'))
  expect(more).toEqual([])
  expect(line).toMatch(
    /^\S+Z WARN {2}job finished job=7 reason="a \\"quoted\\"\\nword" empty="" list=\[1\] error="it\\nbroke"\n$/,
  )
})

test.each(['json', 'text'] as const)('a plugin forges no %s line and reaches no terminal', (format) => {
  const evil = 'x\n2026-01-02T03:04:05.678Z ERROR forged\r\u001b[2J\u009b31m\u007f\u2028\u202eend'
  const lines = logged(format, [], (logger) => {
    logger.info(
      {
        field: evil,
        [evil]: 1,
        error: new Error(evil),
        nested: { text: evil },
        bare: '\u009b31m',
        level: 'error',
        time: 'then',
      },
      evil,
    )
    logger.info(evil)
  })
  expect(lines).toHaveLength(2)
  for (const line of lines) {
    expect(line.endsWith('\n')).toBe(true)
    // oxlint-disable-next-line no-control-regex
    expect(line.slice(0, -1)).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u2028\u202e]/)
  }
  const [first] = lines
  if (format === 'text') expect(first).toMatch(/^\d{4}-\S+Z INFO {2}x\\n2026/)
  else
    expect(JSON.parse(first!)).toMatchObject({
      level: 'info',
      field: evil,
      msg: evil,
      time: expect.stringMatching(/^\d{4}-/),
    })
})

test('a text line names its runner once, and one without a name by its token', () => {
  const log = (logger: ReturnType<typeof createLogger>): void => {
    withFields(logger, { runner: 't1_abcdef', runner_name: 'linux builds' }).info({ job: 7 }, 'job finished')
    withFields(logger, { runner: 't1_abcdef', runner_name: '' }).info({ job: 7 }, 'job finished')
  }
  const lines = logged('text', [], log).map((line) => line.slice(line.indexOf(' ')))
  expect(lines).toEqual([
    ' INFO  job finished runner="linux builds" job=7\n',
    ' INFO  job finished runner=t1_abcdef job=7\n',
  ])
  expect(JSON.parse(logged('json', [], log)[0] as string)).toMatchObject({
    runner: 't1_abcdef',
    runner_name: 'linux builds',
  })
})

test('colors are in text lines for a terminal only, and take no text away', () => {
  const log = (logger: ReturnType<typeof createLogger>): void => logger.warn({ job: 7 }, 'job finished')
  const [colored] = logged('text', [], log, true)
  expect(colored).toContain('\u001b[33mWARN \u001b[39m job finished')
  expect(stripVTControlCharacters(colored as string)).toMatch(/^\S+Z WARN {2}job finished job=7\n$/)
  expect(logged('text', [], log)[0]).not.toContain('\u001b')
  expect(logged('json', [], log, true)[0]).not.toContain('\u001b')
})

test.each(['json', 'text'] as const)(
  'secrets are hidden in %s lines: known ones, GitLab tokens, passwords in URLs',
  (format) => {
    const secrets = ['pass"word', 'pass"word-longer', 'abc']
    const text = logged(format, secrets, (logger) => {
      logger.error(
        { error: new Error('bad pass"word-longer'), nested: { token: 'glrt-t1_abcdefghijklm' } },
        'with pass"word',
      )
      logger.info({ url: 'https://gitlab-ci-token:s3cr3t@host/x.git', key: 'glcbt-64_abcdefgh.x' }, 'abcdef')
    }).join('')
    for (const secret of ['pass', 'word', 'longer', 't1_abc', 's3cr3t', '64_abc']) expect(text).not.toContain(secret)
    for (const kept of ['gitlab-ci-token:', '@host/x.git', 'glrt-', 'abcdef']) expect(text).toContain(kept)
  },
)

test.each(['err', 'error'])('an error under %s is told with its causes, each once', (key) => {
  const doubled = new Error('no list: no permission', { cause: new Error('no permission') })
  const bare = new Error('fetch failed', { cause: Object.assign(new AggregateError([], ''), { code: 'ECONNREFUSED' }) })
  for (const [error, text] of [
    [doubled, 'no list: no permission'],
    [bare, 'fetch failed: ECONNREFUSED'],
  ] as const) {
    const log = (logger: ReturnType<typeof createLogger>): void => logger.warn({ [key]: error, job: 7 }, 'it broke')
    const [json] = logged('json', [], log)
    expect(JSON.parse(json as string)).toMatchObject({
      msg: 'it broke',
      job: 7,
      error: { type: 'Error', message: text },
    })
    expect(logged('text', [], log)[0]).toContain(` error="${text}"`)
  }
})

test('what a logger is asked to write is counted by level', () => {
  const { logger, counts } = countLines(
    withFields(createLogger({ level: 'info', format: 'json', secrets: [], write: () => {} }), { runner: 'a' }),
  )
  logger.info({}, 'one')
  logger.warn({}, 'two')
  logger.error({}, 'three')
  logger.error({}, 'four')
  expect(counts).toEqual({ debug: 0, info: 1, warn: 1, error: 2 })
})

test('fields are added to every line, and those of the line win', () => {
  const [line] = logged('json', [], (logger) => withFields(logger, { runner: 'a', job: 1 }).info({ job: 2 }, 'hello'))
  expect(JSON.parse(line as string)).toMatchObject({ runner: 'a', job: 2, msg: 'hello' })
})
