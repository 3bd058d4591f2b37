// Artifacts of earlier jobs, through the whole runner, to a machine with a real OpenSSH.
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { ArtifactBucket, Coordinator, type CoordinatorJob } from '@runner-core/runner/testing'
import { tarBytes, zipBytes } from '@runner-core/testkit/archives/archive-bytes'
import { fleetConfig, hostMachines, Managers } from '@runner-core/testkit/manager/managers'
import { type Sshd, sshdMissing, startSshd } from '@runner-core/testkit/ssh/openssh-server'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

const missing = sshdMissing()
if (missing !== undefined) console.warn(`SKIPPED: artifacts of earlier jobs on OpenSSH: ${missing}`)

describe.skipIf(missing !== undefined)('on a machine with OpenSSH', () => {
  let sshd: Sshd
  let managers: Managers
  let coordinator: Coordinator
  let bucket: ArtifactBucket

  beforeEach(async () => {
    sshd = await startSshd()
    managers = new Managers('dependencies')
    bucket = await ArtifactBucket.start(() => coordinator.jobs)
    coordinator = await Coordinator.start({ traceUpdateIntervalSeconds: 1, artifactsElsewhere: bucket.url })
    const { folder } = managers
    managers.configure(
      fleetConfig({
        name: 'dependencies',
        url: coordinator.url,
        token: Coordinator.token,
        top: `state_dir = "${join(folder, 'state')}"`,
        runner: `builds_dir = "${join(folder, 'builds')}"`,
        machines: hostMachines(folder, sshd),
      }),
    )
  })

  afterEach(async () => {
    await managers[Symbol.asyncDispose]()
    await sshd.stop()
    await bucket[Symbol.asyncDispose]()
    await coordinator.close()
  })

  /** An earlier job that left these bytes. */
  function left(name: string, bytes: Buffer, filename = 'artifacts.zip'): CoordinatorJob {
    const job = coordinator.enqueue({ name, script: ['true'] })
    job.cancel()
    job.artifacts = { filename, bytes }
    return job
  }

  const plain = (job: CoordinatorJob): string => job.trace.text().replaceAll(/\x1b\[[0-9;]*[mK]/g, '')
  const big = Buffer.alloc(3_000_000, 'several packets of it ')

  test('what earlier jobs left is there before the script begins; a bucket sees no token', async () => {
    const build = left(
      'build',
      zipBytes([
        { name: 'out/', mode: 0o040750, stored: true },
        { name: 'out/tool', content: '#!/bin/sh\necho from the tool\n', mode: 0o100755 },
        { name: 'out/big', content: big, stored: true },
        { name: 'out/link', content: 'tool', mode: 0o120777 },
        { name: 'ünïcode name', content: 'x' },
      ]),
    )
    const docs = left('docs', gzipSync(tarBytes([{ name: 'docs/index.html', content: 'docs' }])), 'docs.tar.gz')
    const nothing = coordinator.enqueue({ name: 'lint', script: ['true'] })
    nothing.cancel()
    const job = coordinator.enqueue({
      script: ['out/link', 'cksum < out/big', 'cat docs/index.html', 'stat -c "%a %N" out out/tool out/link', 'ls'],
      dependencies: [build, nothing, docs],
    })
    managers.start()
    await job.finished
    const trace = plain(job)
    expect(job.state, trace).toBe('success')
    for (const text of [
      'Downloading artifacts\n',
      'Downloading artifacts for build (1)...\n',
      'Downloading artifacts for docs (2)...\n',
      'from the tool\n',
      'docs',
      '750 ',
      '755 ',
      'ünïcode name',
    ])
      expect(trace).toContain(text)
    expect(trace).not.toContain('lint (3)')
    expect(trace.indexOf('docs (2)')).toBeLessThan(trace.indexOf('from the tool'))
    expect(trace).toMatch(/^\d+ 3000000$/m)
    expect({ leaks: bucket.leaks, requests: bucket.requests.length, violations: coordinator.violations }).toEqual({
      leaks: [],
      requests: 2,
      violations: [],
    })
    expect(trace).not.toContain(build.dependencyToken)
  })

  test('what one job leaves, the next one has: modes, links, names and all', async () => {
    const build = coordinator.enqueue({
      name: 'build',
      script: [
        'mkdir -p out/empty "out/two words" && seq 200000 > out/numbers && printf "#!/bin/sh\\necho from the tool" > "out/two words/ünï" && chmod 750 "out/two words/ünï"',
        'ln -s ../numbers "out/two words/link"',
        'find out | sort | xargs -d "\\n" stat -c "%A %Y %N"',
      ],
      artifacts: [{ paths: ['out/'] }],
    })
    managers.start()
    await build.finished
    expect(build.state, plain(build)).toBe('success')
    const job = coordinator.enqueue({
      script: [
        'find out | sort | xargs -d "\\n" stat -c "%A %Y %N"',
        'cksum < "out/two words/link"',
        '"out/two words/ünï"',
        'seq 200000 | cksum',
      ],
      dependencies: [build],
    })
    await job.finished
    expect(job.state, plain(job)).toBe('success')
    const stats = (trace: string): string[] => trace.split(/\r?\n/).filter((line) => /^[-dl][rwx-]{9} /.test(line))
    // A link's own time is not kept: nothing depends on it.
    const known = (lines: readonly string[]): string[] => lines.map((line) => line.replace(/^(l\S+) \d+/, '$1'))
    expect(known(stats(plain(build)))).toHaveLength(6)
    expect(known(stats(plain(job)))).toEqual(known(stats(plain(build))))
    expect(plain(job)).toContain('from the tool')
    const sums = plain(job).match(/^\d+ 1288895$/gm)
    expect(sums).toHaveLength(2)
    expect(sums?.[0]).toBe(sums?.[1])
  })

  test('an archive that writes elsewhere fails the job before its script; nothing is written', async () => {
    const evil = left(
      'evil',
      zipBytes([
        { name: 'good', content: 'good' },
        { name: '../../../../../escaped', content: 'evil' },
      ]),
    )
    const job = coordinator.enqueue({
      script: ['echo never\\ reached'],
      afterScript: ['echo nor\\ this'],
      dependencies: [evil],
    })
    managers.start()
    await job.finished
    const trace = plain(job)
    expect({ state: job.state, reason: job.failureReason, exitCode: job.exitCode }, trace).toEqual({
      state: 'failed',
      reason: 'script_failure',
      exitCode: undefined,
    })
    expect(trace).toContain('the archive is refused: the name "../../../../../escaped" leads out of the directory')
    expect(trace).not.toMatch(/never reached|nor this/)
    expect(
      readdirSync(managers.folder, { recursive: true }).filter((path) => /escaped|good/.test(String(path))),
    ).toEqual([])
  })

  test('artifacts that are gone fail the job', async () => {
    const gone = left('gone', zipBytes([]))
    const job = coordinator.enqueue({ script: ['echo never\\ reached'], dependencies: [gone] })
    // After the job was handed out, which names them.
    coordinator.inject({ on: 'download', reply: { status: 404, body: '{"message":"404 Not Found"}' } })
    managers.start()
    await job.finished
    expect(plain(job)).toMatch(
      /Downloading artifacts from coordinator\.\.\. not found {2}id=1: 127\.0\.0\.1:\d+ answered 404 404 Not Found/,
    )
    expect([job.state, job.failureReason]).toEqual(['failed', 'script_failure'])
  })

  test('a manager that is killed while it downloads: the next one does it, and the trace says it once', async () => {
    const build = left('build', zipBytes([{ name: 'file', content: 'from the build\n' }]))
    const job = coordinator.enqueue({ script: ['cat file'], dependencies: [build] })
    coordinator.inject({ on: 'download', delayMs: 60_000, reply: 'drop' })
    const first = managers.start()
    await expect.poll(() => plain(job), { timeout: 30_000 }).toContain('Downloading artifacts for build (1)...')
    first.process.kill('SIGKILL')
    await first.ended
    managers.start()
    await job.finished
    const trace = plain(job)
    expect(job.state, trace).toBe('success')
    expect(trace.match(/Downloading artifacts for build/g)).toHaveLength(1)
    expect(trace.match(/^from the build$/gm)).toHaveLength(1)
    // The coordinator may have taken a piece just before the kill, of which no journal tells: its times are made again,
    // differently, and the whole log is sent once more.
    expect(
      coordinator.violations.filter(({ rule }) => rule !== 'range_mismatch' && rule !== 'checksum_mismatch'),
    ).toEqual([])
  })

  test('a job that is canceled while it downloads ends at once', async () => {
    const build = left('build', zipBytes([]))
    const job = coordinator.enqueue({ script: ['echo never\\ reached'], dependencies: [build] })
    coordinator.inject({ on: 'download', delayMs: 60_000, reply: 'drop' })
    managers.start()
    await expect.poll(() => plain(job), { timeout: 30_000 }).toContain('Downloading artifacts for build (1)...')
    job.cancel('gracefully')
    await job.finished
    expect(job.state).toBe('canceled')
    expect(plain(job)).not.toContain('never reached')
  })
})
