// Artifacts from a real machine, through a real manager, to a coordinator of its own: also where a connection breaks,
// the manager is killed, or somebody cancels, in the middle.
import { createHash } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { type ArtifactSpec, Coordinator, type CoordinatorJob, listProcesses } from '@runner-core/runner/testing'
import { type SeverableLink, startLink } from '@runner-core/testkit/http/severable-link'
import { fleetConfig, hostMachines, kill, Managers } from '@runner-core/testkit/manager/managers'
import { type Sshd, sshdMissing, startSshd } from '@runner-core/testkit/ssh/openssh-server'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

const missing = sshdMissing()
if (missing !== undefined) console.warn(`SKIPPED: artifacts from a machine with OpenSSH: ${missing}`)

/** Long enough to be met in the middle. */
const bigBytes = 200_000_000

describe.skipIf(missing !== undefined)('artifacts from a machine with OpenSSH', () => {
  let coordinator: Coordinator
  let managers: Managers
  let sshd: Sshd
  let link: SeverableLink

  beforeEach(async () => {
    coordinator = await Coordinator.start({ artifactLimitBytes: 250_000_000 })
    managers = new Managers('artifacts')
    sshd = await startSshd()
    link = await startLink(sshd.port)
    const { folder } = managers
    managers.configure(
      fleetConfig({
        name: `artifacts-${process.pid}`,
        url: coordinator.url,
        token: Coordinator.token,
        top: `state_dir = "${join(folder, 'state')}"`,
        runner: `builds_dir = "${join(folder, 'builds')}"`,
        machines: hostMachines(folder, sshd, link.port),
      }),
    )
  })

  afterEach(async () => {
    await managers[Symbol.asyncDispose]()
    await link.close()
    await sshd.stop()
    await coordinator.close()
  })

  const big = (): CoordinatorJob =>
    enqueue(
      [`head -c ${bigBytes} /dev/zero >big; echo NAME=late >>"$GITLAB_ENV"`],
      [{ name: '$NAME', paths: ['big'], format: 'raw', type: 'metrics', when: 'always' }],
    )
  const enqueue = (script: readonly string[], artifacts: readonly ArtifactSpec[]): CoordinatorJob =>
    coordinator.enqueue({ script, artifacts })
  const underWay = (): Promise<void> =>
    expect.poll(() => coordinator.uploadingBytes, { timeout: 60_000, interval: 2 }).toBeGreaterThan(1_000_000)
  const zeros = (): string => {
    const digest = createHash('sha256')
    const piece = Buffer.alloc(1_000_000)
    for (let left = bigBytes; left > 0; left -= piece.length) digest.update(piece)
    return digest.digest('hex')
  }
  const expectOneWhole = (job: CoordinatorJob): void => {
    expect(job.state, job.trace.text()).toBe('success')
    expect(job.uploads).toEqual([
      expect.objectContaining({ filename: 'late', type: 'metrics', size: bigBytes, sha256: zeros() }),
    ])
    const left = readdirSync(join(managers.folder, 'builds'), { recursive: true }).filter((path) =>
      String(path).endsWith('_env'),
    )
    expect(left).toEqual([])
    expect(coordinator.violations).toEqual([])
  }

  test('an archive and a report, each what it is called; limits and dead connections of the coordinator are said', async () => {
    managers.start()
    const job = enqueue(
      ['mkdir out; echo text >out/file; echo "<xml/>" >junit.xml'],
      [
        { name: '$CI_JOB_NAME', paths: ['out/'], expireIn: '3 days' },
        { paths: ['junit.xml'], type: 'junit', format: 'gzip', name: 'junit.xml', when: 'always' },
      ],
    )
    coordinator.inject({ on: 'upload', cutAfterBytes: 10 })
    coordinator.inject({ on: 'upload', skip: 1, reply: { status: 503, headers: { 'Retry-After': '1' } } })
    await job.finished
    expect(job.state, job.trace.text()).toBe('success')
    expect(job.uploads.map(({ filename, type, format, expireIn }) => [filename, type, format, expireIn])).toEqual([
      ['job.zip', 'archive', 'zip', '3 days'],
      ['junit.xml.gz', 'junit', 'gzip', ''],
    ])
    expect(job.trace.text()).toContain('service unavailable')
    expect(job.trace.text()).not.toContain(job.assignment!.jobToken)

    const tooLarge = enqueue(['head -c 300000000 /dev/zero >big'], [{ paths: ['big'], format: 'raw', type: 'metrics' }])
    await tooLarge.finished
    expect(tooLarge.state).toBe('failed')
    expect(tooLarge.trace.text()).toContain('artifacts could not be uploaded')
    expect(coordinator.violations).toEqual([])
  }, 120_000)

  test('the connection to the machine breaks in the middle: they are sent again', async () => {
    managers.start()
    const job = big()
    await underWay()
    link.cut()
    await job.finished
    expectOneWhole(job)
    expect(job.trace.text()).toContain('the connection to the instance was lost')
  }, 120_000)

  test('the manager is killed in the middle: the next one sends them, and the job succeeds', async () => {
    const first = managers.start()
    const job = big()
    await underWay()
    await kill(first)
    managers.start()
    await job.finished
    expectOneWhole(job)
    expect(job.trace.text().match(/Uploading artifacts for successful job/g)).toHaveLength(1)
  }, 120_000)

  test('a job that is canceled in the middle leaves no process', async () => {
    managers.start()
    const job = big()
    await underWay()
    job.cancel('at once')
    await expect.poll(() => coordinator.uploadingBytes, { timeout: 60_000 }).toBe(0)
    expect(job.uploads).toEqual([])
    const left = (): readonly unknown[] =>
      listProcesses().filter(
        ({ commandLine, environment }) =>
          `${commandLine} ${environment}`.includes(join(managers.folder, 'builds')) && /\btar\b/.test(commandLine),
      )
    await expect.poll(left, { timeout: 30_000 }).toEqual([])
  }, 120_000)
})
