// The shell side of detached scripts, run by hand at the moments that a manager meets once in ten thousand jobs.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { detachedScript, followScript, relayEnd, relayScript, wipeScript } from '../src/index.ts'

const shells = ['/bin/bash', '/bin/dash', '/bin/sh'].filter((shell) => existsSync(shell))
const relay = 'relay1'
const nonce = 'nonce1'
const soon = { timeout: 20_000 }

function openFiles(pid: number): readonly string[] {
  const directory = `/proc/${pid}/fd`
  return readdirSync(directory).flatMap((name) => {
    try {
      return [readlinkSync(join(directory, name))]
    } catch {
      // Closed meanwhile.
      return []
    }
  })
}

describe.each(shells)('in %s', (shell) => {
  let builds: string
  let started: ChildProcess[]
  beforeEach(() => {
    builds = mkdtempSync(join(tmpdir(), 'runner-core-relay-'))
    started = []
  })
  afterEach(() => {
    for (const child of started) child.kill('SIGKILL')
    rmSync(builds, { recursive: true, force: true })
  })
  const kept = (name: string): string => join(builds, '.detached', name)
  const ofJob = (job: string) => ({ buildsDir: builds, jobMarker: { name: 'JOB', value: job }, index: 0 })

  function sh(script: Buffer | string): ChildProcess {
    const child = spawn(shell, [], { stdio: ['pipe', 'pipe', 'inherit'], detached: true })
    started.push(child)
    child.stdin!.write(script)
    return child
  }
  async function startRelay(): Promise<ChildProcess> {
    const child = sh(relayScript({ buildsDir: builds, relay, limitBytes: 1_000_000 }))
    expect(String((await once(child.stdout!, 'data'))[0])).toBe(`\x1e${relay} relay\x1e`)
    // `tee` makes its file where it is not there.
    await expect.poll(() => openFiles(child.pid!), soon).toContain(kept(`${relay}.out`))
    return child
  }
  const script = (job: string, text: string, options = {}): Buffer =>
    detachedScript({
      ...ofJob(job),
      script: Buffer.from(`set -- "$1" 0; ${text}; rc_s=swept; rc_t=1\n`),
      shell: 'sh',
      nonce,
      relay,
      relayOffset: 0,
      tellsShell: false,
      ...options,
    })

  test('a script that has the pipe open is waited for when the connection ends, even if it has not begun to print', async () => {
    const passing = await startRelay()
    const ended = once(passing, 'exit')
    const waiting = join(builds, 'go')
    const begun = join(builds, 'begun')
    const running = sh(script('job', `: >${begun}; while [ ! -e ${waiting} ]; do sleep 0.05; done; echo late`))
    const exited = once(running, 'exit')
    await expect.poll(() => existsSync(begun), soon).toBe(true)
    passing.stdin!.destroy()
    passing.stdout!.destroy()
    await expect.poll(() => existsSync(kept(`${relay}.in`)), soon).toBe(false)
    writeFileSync(waiting, '')
    await exited
    await expect.poll(() => readFileSync(kept(`${relay}.out`), 'latin1'), soon).toBe('late\n')
    await ended
  })

  test.each([
    ['no script named', []],
    ['only scripts of other relays name', ['1 (sh) S\nother 0\n', '', '1 (sh) S\n']],
  ])('nothing is left of a relay that %s when its connection ends', async (_, files) => {
    const passing = await startRelay()
    const names = files.map((_, index) => `job${index}.0.pid`)
    for (const [index, name] of names.entries()) writeFileSync(kept(name), files[index]!)
    passing.stdin!.end()
    await once(passing, 'exit')
    await expect.poll(() => readdirSync(kept('')).sort(), soon).toEqual(names)
  })

  test('what a relay kept stays for the script that names it when its connection ends', async () => {
    const passing = await startRelay()
    const exited = once(sh(script('job', 'echo told')), 'exit')
    await exited
    passing.stdin!.end()
    await once(passing, 'exit')
    await expect.poll(() => existsSync(kept(`${relay}.in`)), soon).toBe(false)
    expect(readFileSync(kept(`${relay}.out`), 'latin1')).toBe('told\n')
  })

  test('a script whose relay is gone does not run, and nothing tells of it: also when nobody can be told', async () => {
    const passing = await startRelay()
    passing.stdin!.end(relayEnd)
    await once(passing, 'exit')
    expect(readdirSync(kept(''))).toEqual([])
    const done = join(builds, 'ran')
    const told = sh(script('job', `: >${done}`))
    expect(String((await once(told.stdout!, 'data'))[0])).toBe(`\x1e${nonce} gone\x1e`)
    const untold = sh('')
    untold.stdout!.destroy()
    untold.stdin!.end(script('job', `: >${done}`))
    await once(untold, 'exit')
    expect(readdirSync(kept(''))).toEqual([])
    expect(existsSync(done)).toBe(false)
  })

  test('a script that cannot tell of its shell runs all the same', async () => {
    await startRelay()
    const child = sh('')
    child.stdout!.destroy()
    child.stdin!.end(script('job', 'echo ran', { shell: 'bash', tellsShell: true }))
    await once(child, 'exit')
    expect(readFileSync(kept('job.0.pid'), 'latin1')).toMatch(/\n0 swept 1\n$/)
  })

  test('a script whose file is empty is neither found nor absent, and is not started beside it', async () => {
    await startRelay()
    writeFileSync(kept('job.0.pid'), '')
    const done = join(builds, 'ran')
    const starting = sh(script('job', `: >${done}`))
    expect(String((await once(starting.stdout!, 'data'))[0])).toBe(`\x1e${nonce} taken\x1e`)
    const following = sh(followScript({ ...ofJob('job'), offset: 0, nonce }))
    expect(String((await once(following.stdout!, 'data'))[0])).toBe(`\x1e${nonce} torn\x1e`)
    expect(existsSync(done)).toBe(false)
  })

  test('a script whose file cannot be made does not run and says why; one that follows it in the job runs', async () => {
    await startRelay()
    mkdirSync(kept('elsewhere'))
    const job = 'elsewhere/no/such/directory'
    const refused = sh(script(job, 'echo ran'))
    expect(String((await once(refused.stdout!, 'data'))[0])).toMatch(
      new RegExp(`^\x1e${nonce} unwritable \\d+ \\d+ \x1e$`),
    )
    const second = sh('')
    let said = ''
    second.stdout!.on('data', (chunk) => (said += String(chunk)))
    second.stdin!.end(script(job, 'echo ran', { index: 1 }))
    await once(second, 'close')
    expect(said).toBe(`\x1e${nonce} attached\x1eran\n`)
  })

  test('what a lost relay kept is removed, but not while it serves another job', async () => {
    mkdirSync(kept(''))
    for (const [job, of] of [
      ['a', 'lost'],
      ['b', 'shared'],
      ['other', 'shared'],
    ] as const) {
      writeFileSync(kept(`${job}.0.pid`), `1 (sh) S\n${of} 0\n`)
      writeFileSync(kept(`${of}.out`), '')
    }
    const wiping = sh('')
    wiping.stdin!.end(
      wipeScript([
        { ...ofJob('a'), hasLostRelay: true },
        { ...ofJob('b'), hasLostRelay: true },
      ]),
    )
    await once(wiping, 'exit')
    expect(readdirSync(kept('')).sort()).toEqual(['other.0.pid', 'shared.out'])
  })
})
