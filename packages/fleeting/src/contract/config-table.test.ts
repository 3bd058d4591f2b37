import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ConfigTable } from './config-table.ts'
import { isGroupError } from './errors.ts'

function problemsOf(table: ConfigTable): string[] {
  try {
    table.check()
    return []
  } catch (error) {
    expect(isGroupError(error) && error.code).toBe('invalid_config')
    return (error as Error).message.split('\n')
  }
}

describe('ConfigTable', () => {
  test('reads what is there and leaves out what is not', () => {
    const table = new ConfigTable({
      name: 'a',
      size: 3,
      keys: 'one',
      hosts: { b: { port: 22 }, a: {} },
      mode: 'fast',
      token: 'x',
    })
    expect(table.string('name')).toBe('a')
    expect(table.integer('size', { min: 1 })).toBe(3)
    expect(table.integer('other')).toBeUndefined()
    expect(table.strings('keys')).toEqual(['one'])
    expect(table.choice('mode', ['fast', 'slow'])).toBe('fast')
    expect(table.secret('token')).toBe('x')
    const hosts = table.tables('hosts')
    expect([...hosts.keys()]).toEqual(['b', 'a'])
    expect(hosts.get('b')?.integer('port')).toBe(22)
    expect(problemsOf(table)).toEqual([])
  })

  test('names every problem at once, also those of sub-tables', () => {
    const table = new ConfigTable({
      size: 'three',
      port: 70_000,
      nmae: 'a',
      keys: ['a', 1],
      mode: 'quick',
      hosts: { one: { adr: 'x' }, two: 7 },
    })
    table.integer('size', { min: 1 })
    table.integer('port', { min: 1, max: 65_535 })
    table.string('name')
    table.strings('keys')
    table.choice('mode', ['fast', 'slow'])
    for (const host of table.tables('hosts').values()) host.string('addr')
    expect(problemsOf(table)).toEqual([
      'plugin_config.size: expected a whole number, at least 1, got "three"',
      'plugin_config.port: expected a whole number from 1 to 65535, got 70000',
      'plugin_config.keys: expected a string or a list of strings, got an array',
      'plugin_config.mode: expected "fast" or "slow", got "quick"',
      'plugin_config.nmae: expected no such key (did you mean name?), got string',
      'plugin_config.hosts.one.adr: expected no such key (did you mean addr?), got string',
      'plugin_config.hosts.two: expected a table, got a number',
    ])
  })

  test('reads a section as a table of its own, and collects its problems', () => {
    const table = new ConfigTable({ login: { user: 'ci', prot: 1 }, wrong: 7 })
    const login = table.section('login')
    expect([login.string('user'), login.integer('port')]).toEqual(['ci', undefined])
    table.section('wrong').string('user')
    expect(table.section('none').string('user')).toBeUndefined()
    expect(problemsOf(table)).toEqual([
      'plugin_config.login.prot: expected no such key (did you mean port?), got number',
      'plugin_config.wrong: expected a table, got a number',
    ])
  })

  test('reads booleans, durations in milliseconds, and URLs as they are written', () => {
    const table = new ConfigTable({
      on: false,
      wait: '1h30m',
      short: '250ms',
      none: '0',
      api: 'https://api.example/v1/',
      plain: 'http://[::1]:80',
    })
    expect(table.boolean('on')).toBe(false)
    expect(table.boolean('other')).toBeUndefined()
    expect(table.duration('wait')).toBe(5_400_000)
    expect(table.duration('short', { minMs: 250 })).toBe(250)
    expect(table.duration('none')).toBe(0)
    expect(table.url('api', { protocols: ['https'] })).toBe('https://api.example/v1/')
    expect(table.url('plain')).toBe('http://[::1]:80')
    expect(problemsOf(table)).toEqual([])
  })

  test('names what is no boolean, duration or URL, and never shows the credentials of a URL', () => {
    const table = new ConfigTable({
      on: 'yes',
      wait: 30,
      more: '5 minutes',
      short: '1s',
      api: 'api.example',
      plain: 'http://api.example',
      login: 'https://me:hunter2@api.example/?a',
    })
    table.boolean('on')
    table.duration('wait')
    table.duration('more')
    table.duration('short', { minMs: 1500 })
    table.url('api')
    table.url('plain', { protocols: ['https'] })
    table.url('login')
    expect(problemsOf(table)).toEqual([
      'plugin_config.on: expected true or false, got "yes"',
      'plugin_config.wait: expected a duration such as "1m30s", got 30',
      'plugin_config.more: expected a duration such as "1m30s", got "5 minutes"',
      'plugin_config.short: expected a duration such as "1m30s", at least "1.5s", got "1s"',
      'plugin_config.api: expected an http or https URL without credentials, got "api.example"',
      'plugin_config.plain: expected an https URL without credentials, got "http://api.example"',
      'plugin_config.login: expected an http or https URL without credentials, got "https://[hidden]@api.example/?a"',
    ])
  })

  test('never shows a secret', () => {
    const table = new ConfigTable({ password: 48_151_623, passwrod: 'hunter2' })
    table.secret('password')
    const [wrong, unknown] = problemsOf(table)
    expect(wrong).toBe('plugin_config.password: expected a string that is not empty, got a number')
    expect(unknown).toBe('plugin_config.passwrod: expected no such key (did you mean password?), got string')
  })

  test.each<[unknown, string]>([
    [{ password: ['hunter2'] }, 'password: expected a string that is not empty, got an array'],
    [{ password: '' }, 'password: expected a string that is not empty, got an empty string'],
    [{ name: { password: 'hunter2' } }, 'name: expected a string that is not empty, got a table'],
    [{ keys: [{ password: 'hunter2' }] }, 'keys: expected a string or a list of strings, got an array'],
    [{ size: ['hunter2'] }, 'size: expected a whole number, at least 0, got an array'],
    [{ hosts: [{ password: 'hunter2' }] }, 'hosts: expected a table, got an array'],
    [{ hosts: 'hunter2' }, 'hosts: expected a table, got a string'],
    [{ hosts: { password: 'hunter2' } }, 'hosts.password: expected a table, got a string'],
  ])('%j: a wrong place or kind does not show what may be secret', (values, problem) => {
    const table = new ConfigTable(values)
    table.secret('password')
    table.string('name')
    table.strings('keys')
    table.integer('size')
    table.tables('hosts')
    expect(problemsOf(table)).toEqual([`plugin_config.${problem}`])
  })

  test('nothing at all is an empty table; anything else that is no table is a problem', () => {
    expect(problemsOf(new ConfigTable(undefined))).toEqual([])
    expect(problemsOf(new ConfigTable([]))).toEqual(['plugin_config: expected a table, got an empty array'])
  })

  test('whatever it is given, it answers with a value of the kind asked for or a problem, never with an exception', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom('a', 'b', 'constructor', '__proto__'), fc.anything()), (values) => {
        const table = new ConfigTable(values)
        const text = table.string('a')
        const number = table.integer('b')
        table.tables('constructor')
        const problems = problemsOf(table)
        const present = Object.hasOwn(values, 'a') && values['a'] !== undefined
        expect(
          text === undefined
            ? !present || problems.some((problem) => problem.startsWith('plugin_config.a:'))
            : typeof text === 'string',
        ).toBe(true)
        expect(number === undefined || Number.isInteger(number)).toBe(true)
      }),
    )
  })
})
