// The manager's log goes to a disk that is full: a real file system, real jobs.
import { execFileSync, spawn } from 'node:child_process'
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { Coordinator } from '@runner-core/runner/testing'
import { bin } from '@runner-core/testkit/manager/bin'
import { fleetConfig, localMachines } from '@runner-core/testkit/manager/managers'
import { afterAll, expect, test } from 'vitest'

const disk = join(mkdtempSync(join(tmpdir(), 'runner-core-log-disk-')), 'disk')
const whyNot = mountDisk()
if (whyNot !== undefined) console.warn(`SKIPPED: a log on a full disk: ${whyNot}`)

afterAll(() => {
  if (whyNot === undefined) execFileSync('umount', ['--lazy', disk])
  rmSync(dirname(disk), { recursive: true })
})

/** Undefined: it is there. */
function mountDisk(): string | undefined {
  mkdirSync(disk)
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=3m', 'tmpfs', disk], { stdio: 'pipe' })
    return undefined
  } catch (error) {
    return `a file system cannot be mounted here (${(error as Error).message.split('\n')[1] ?? 'mount failed'})`
  }
}

function fill(path: string): void {
  try {
    for (const size of [64 * 1024, 1]) for (;;) writeFileSync(path, Buffer.alloc(size), { flag: 'a' })
  } catch {}
  try {
    for (;;) writeFileSync(path, 'x', { flag: 'a' })
  } catch {}
}

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 50))
}

test.skipIf(whyNot !== undefined)(
  'jobs run to their end, and a signal stops the manager, while the disk of its log is full',
  async () => {
    await using cleanUp = new AsyncDisposableStack()
    const folder = mkdtempSync(join(tmpdir(), 'runner-core-log-'))
    cleanUp.defer(() => rmSync(folder, { recursive: true, force: true }))
    const coordinator = cleanUp.use(await Coordinator.start({ traceUpdateIntervalSeconds: 1 }))
    const config = fleetConfig({
      name: 'full-log',
      url: coordinator.url,
      token: Coordinator.token,
      top: 'log_format = "json"\nlog_level = "debug"\nlisten_address = "127.0.0.1:0"\nshutdown_timeout = 20',
      machines: localMachines(folder),
    })
    writeFileSync(join(folder, 'config.toml'), config)
    const logFile = join(disk, 'manager.log')
    const log = (): string => readFileSync(logFile, 'utf8')
    const fd = openSync(logFile, 'a')
    const manager = spawn(process.execPath, [bin, 'run', '--config', join(folder, 'config.toml')], {
      stdio: ['ignore', 'ignore', fd],
    })
    closeSync(fd)
    const ended = new Promise<number | null>((resolve) => manager.on('close', resolve))
    cleanUp.defer(async () => {
      manager.kill('SIGKILL')
      await ended
    })
    await until(() => log().includes('status pages served'))
    const port = Number(/"port":(\d+)/.exec(log())?.[1])

    fill(join(disk, 'filler'))
    const script = ['for line in 1 2 3 4 5 6; do echo "line $line of six"; sleep 0.5; done']
    const jobs = Array.from({ length: 8 }, () => coordinator.enqueue({ script }))
    await Promise.all(jobs.map(({ finished }) => finished))
    expect(jobs.map(({ state }) => state)).toEqual(jobs.map(() => 'success'))
    for (const { trace } of jobs) expect(trace.text().match(/^line \d of six$/gm)).toHaveLength(6)
    const ready = await fetch(`http://127.0.0.1:${port}/health/ready`)
    expect(await ready.json()).toMatchObject({
      status: 'ok',
      warnings: [expect.stringMatching(/^the log cannot be written \(ENOSPC\)/)],
    })
    expect(await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()).toContain(
      'gitlab_runner_log_lines_lost_total 0',
    )

    rmSync(join(disk, 'filler'))
    await until(() => log().split('"job_status":"success"').length > 8)
    for (const line of log().trim().split('\n')) expect(JSON.parse(line)).toMatchObject({ msg: expect.any(String) })

    fill(join(disk, 'filler'))
    const last = coordinator.enqueue({ script: ['echo be""gun; sleep 60'], marker: 'begun' })
    await until(() => last.times.firstOutputAt !== undefined)
    manager.kill('SIGTERM')
    expect(await ended).toBe(0)
    expect(last.failureReason).toBe('runner_interrupted')
  },
)
