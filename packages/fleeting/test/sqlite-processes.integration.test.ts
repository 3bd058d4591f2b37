import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { SqliteStateStore } from '@runner-core/fleeting/sqlite'
import type { FleetLease, FleetOwner } from '@runner-core/fleeting/state'
import { stopOwner } from '@runner-core/testkit/machine/stop-owner'
import { afterEach, expect, it } from 'vitest'

const script = fileURLToPath(new URL('./sqlite-owner.ts', import.meta.url))
const anHour = 3_600_000

class Owner {
  readonly process: ChildProcess
  readonly lines: string[] = []
  #wake = (): void => {}

  constructor(directory: string, { stallMs = anHour, padding = 0, hang = false } = {}) {
    const args = [
      '--conditions=@runner-core/source',
      script,
      directory,
      String(stallMs),
      String(padding),
      hang ? 'hang' : '',
    ]
    this.process = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    createInterface({ input: this.process.stdout! }).on('line', (line) => {
      this.lines.push(line)
      this.#wake()
    })
  }

  async line(prefix: string): Promise<string> {
    for (;;) {
      const found = this.lines.find((line) => line.startsWith(prefix))
      if (found !== undefined) return found
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  get lastKept(): number {
    return Number(this.lines.findLast((line) => line.startsWith('kept '))?.slice(5))
  }

  async kill(): Promise<void> {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return
    const ended = once(this.process, 'close')
    this.process.kill('SIGKILL')
    await ended
  }
}

const cleanUps: (() => void | Promise<void>)[] = []
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp()
})
const newDirectory = (): string => {
  const directory = mkdtempSync(join(tmpdir(), 'state-'))
  cleanUps.push(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}
const startOwner = (...args: ConstructorParameters<typeof Owner>): Owner => {
  const owner = new Owner(...args)
  cleanUps.push(() => owner.kill())
  return owner
}

it('has all that was kept when its owner is killed, and lets the one that waits have the fleet, without waiting for a sign of life', async () => {
  const directory = newDirectory()
  const owner = startOwner(directory)
  await owner.line('kept 200')
  const store = new SqliteStateStore({ directory, stallMs: anHour })
  cleanUps.push(() => store.close())
  const waits: string[] = []
  let isOurs = false
  let waiting: Promise<FleetLease> | undefined
  await new Promise<void>((resolve) => {
    const onWait = ({ name }: FleetOwner): void => {
      waits.push(name)
      resolve()
    }
    waiting = store.lease('a', { onWait }).then((lease) => {
      isOurs = true
      return lease
    })
  })
  await owner.line(`kept ${owner.lastKept + 200}`)
  expect(isOurs).toBe(false)
  expect(waits).toEqual([expect.stringContaining(`process ${owner.process.pid} on `)])
  await owner.kill()
  const lease = await waiting!
  expect(lease.epoch).toBe(2)
  const [record] = await lease.load()
  expect((record!.value as { count: number }).count).toBeGreaterThanOrEqual(owner.lastKept)
})

it('fences an owner that stalled: what it writes once it goes on is refused', async () => {
  const directory = newDirectory()
  const owner = startOwner(directory)
  await owner.line('kept 100')
  await stopOwner(owner.process, join(directory, 'a'), 'between writes')
  const store = new SqliteStateStore({ directory, stallMs: 1_500 })
  cleanUps.push(() => store.close())
  const lease = await store.lease('a')
  await lease.write([{ kind: 'acquisition', key: 'count', value: 'ours' }])
  owner.process.kill('SIGCONT')
  expect(await owner.line('ended')).toContain('fenced')
  expect(await lease.load()).toEqual([{ kind: 'acquisition', key: 'count', value: 'ours' }])
})

it('waits for an owner that was stopped within a write, says so, and has the fleet with that write once it continues', async () => {
  const directory = newDirectory()
  const owner = startOwner(directory)
  await owner.line('kept 100')
  await stopOwner(owner.process, join(directory, 'a'), 'within a write')
  const store = new SqliteStateStore({ directory, stallMs: 0 })
  cleanUps.push(() => store.close())
  let isOurs = false
  let waiting: Promise<FleetLease> | undefined
  await new Promise<void>((resolve) => {
    // Told once the owner has given no sign of life for too long, and its file is still locked.
    const onWait = ({ name }: FleetOwner): void => void (name.includes('locked') && resolve())
    waiting = store.lease('a', { onWait }).then((lease) => {
      isOurs = true
      return lease
    })
  })
  expect(isOurs).toBe(false)
  owner.process.kill('SIGCONT')
  const lease = await waiting!
  expect(await owner.line('ended')).toContain('fenced')
  const [record] = await lease.load()
  expect((record!.value as { count: number }).count).toBeGreaterThanOrEqual(owner.lastKept)
})

it('fences an owner whose event loop hangs, whose threads live', async () => {
  const directory = newDirectory()
  const owner = startOwner(directory, { hang: true })
  await owner.line('kept 100')
  const store = new SqliteStateStore({ directory, stallMs: 1_500 })
  cleanUps.push(() => store.close())
  const lease = await store.lease('a')
  await lease.write([{ kind: 'acquisition', key: 'count', value: 'ours' }])
  expect(lease.epoch).toBe(2)
})

it('fences an owner that runs and does not hand the fleet over when it is asked', async () => {
  const directory = newDirectory()
  const owner = startOwner(directory)
  await owner.line('kept 100')
  const store = new SqliteStateStore({ directory, handOverMs: 1_500 })
  cleanUps.push(() => store.close())
  const lease = await store.lease('a', { takeover: true })
  await lease.write([{ kind: 'acquisition', key: 'count', value: 'ours' }])
  expect(await owner.line('ended')).toContain('fenced')
  expect(await lease.load()).toEqual([{ kind: 'acquisition', key: 'count', value: 'ours' }])
})

const canMount = process.platform === 'linux' && process.getuid?.() === 0

it.runIf(canMount)(
  'loses nothing to a disk that another program fills: reads go on, writes are whole or not there, and are made again once there is room',
  async () => {
    const directory = newDirectory()
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=3m', 'tmpfs', directory])
    cleanUps.push(() => void execFileSync('umount', ['-l', directory]))
    const store = new SqliteStateStore({ directory })
    cleanUps.push(() => store.close())
    const lease = await store.lease('a')
    const filler = join(directory, 'filler')
    const kept = new Set<string>()
    const text = 'x'.repeat(20_000)
    for (let round = 0; round < 3; round += 1) {
      const codes = new Set<unknown>()
      fill(filler)
      for (let count = 0; count < 150; count += 1) {
        const key = `${round}-${count}`
        try {
          await lease.write(['acquisition', 'use'].map((kind) => ({ kind: kind as 'use', key, value: text })))
          kept.add(key)
        } catch (error) {
          codes.add((error as { code: unknown }).code)
        }
        if (count % 10 === 0) expect(await keysOf(lease)).toEqual([...kept].sort())
      }
      expect([...codes]).toEqual(['disk_full'])
      rmSync(filler)
      await lease.write(
        [...kept]
          .slice(1)
          .flatMap((key) => (['acquisition', 'use'] as const).map((kind) => ({ kind, key, value: null }))),
      )
      for (const key of [...kept].slice(1)) kept.delete(key)
      await lease.write([
        { kind: 'acquisition', key: 'room', value: round },
        { kind: 'use', key: 'room', value: round },
      ])
      kept.add('room')
      expect(await keysOf(lease)).toEqual([...kept].sort())
    }
    expect(lease.lost.aborted).toBe(false)
    fill(filler)
    const after = new SqliteStateStore({ directory })
    cleanUps.push(() => after.close())
    await lease.release()
    rmSync(filler)
    expect(await keysOf(await after.lease('a'))).toEqual([...kept].sort())
  },
)

/** Of pairs of records that were written together. */
async function keysOf(lease: FleetLease): Promise<string[]> {
  const records = await lease.load()
  const [one, other] = ['acquisition', 'use'].map((kind) =>
    records.filter((record) => record.kind === kind).map(({ key }) => key),
  )
  expect(one).toEqual(other)
  return one!.sort()
}

/** Takes what is free on the disk of a file. */
function fill(file: string): void {
  const descriptor = openSync(file, 'w')
  try {
    for (;;) writeSync(descriptor, Buffer.alloc(4096))
  } catch {
    closeSync(descriptor)
  }
}

it.skipIf(canMount)('is not tried here on a full disk: that needs root, and Linux', () => {})

it.runIf(canMount)('says that the disk is full, keeps what was kept, and goes on once there is room', async () => {
  const directory = newDirectory()
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', directory])
  cleanUps.push(() => void execFileSync('umount', ['-l', directory]))
  const owner = startOwner(directory, { padding: 4000 })
  expect(await owner.line('ended')).toContain('ended disk_full state file ')
  const kept = owner.lastKept
  expect(kept).toBeGreaterThan(10)
  await owner.kill()
  execFileSync('mount', ['-o', 'remount,size=4m', directory])
  const store = new SqliteStateStore({ directory })
  cleanUps.push(() => store.close())
  const lease = await store.lease('a')
  expect(await lease.load()).toHaveLength(kept)
  await lease.write([{ kind: 'launch', key: 'next', value: 1 }])
})

it.runIf(canMount)(
  'does not fill a small disk by itself for good: what is replaced again and again has room',
  async () => {
    const directory = newDirectory()
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=3m', 'tmpfs', directory])
    cleanUps.push(() => void execFileSync('umount', ['-l', directory]))
    const store = new SqliteStateStore({ directory, thread: false })
    cleanUps.push(() => store.close())
    const lease = await store.lease('a')
    // 400 KB that change 60 times: more than any log of writes has room for here.
    for (let round = 0; round < 60; round += 1) {
      const value = `${round} `.repeat(1400)
      await lease.write(Array.from({ length: 100 }, (_, key) => ({ kind: 'job' as const, key: `${key}`, value })))
    }
    const others = join(directory, 'others')
    fill(others)
    await expect(writeUntilFull(lease)).rejects.toMatchObject({ code: 'disk_full' })
    rmSync(others)
    for (let round = 0; round < 60; round += 1)
      await lease.write([{ kind: 'job', key: '1', value: `${round}`.repeat(5000) }])
    expect(await lease.load(['job'])).toHaveLength(100)
  },
)

async function writeUntilFull(lease: FleetLease): Promise<void> {
  for (let round = 0; round < 2000; round += 1)
    await lease.write([{ kind: 'use', key: `${round}`, value: `${round} `.repeat(5000) }])
}
