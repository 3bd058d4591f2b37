// What an Engine, and the way to it, does under a job: each with a clear end, a free slot, and nothing left.
import { type Clock, systemClock } from '@runner-core/fleeting'
import { hasEngine, makeBusyboxImage } from '@runner-core/testkit/containers/busybox-image'
import { makeHelperImage } from '@runner-core/testkit/containers/helper-image'
import { gitJob } from '@runner-core/testkit/jobs/git-job'
import { TestRepository } from '@runner-core/testkit/jobs/git-server'
import { payload, variable } from '@runner-core/testkit/jobs/job-fixture'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { EngineFront, refuse } from './engine-front.ts'
import { JobRig, type JobRigOptions } from './job-rig.ts'

/** Waits of minutes take seconds. */
const fast = (factor: number): Clock => ({
  now: () => systemClock.now() * factor,
  wallTime: () => systemClock.wallTime(),
  after: (delayMs, callback) => systemClock.after(delayMs / factor, callback),
})

let front: EngineFront
let rig: JobRig | undefined
beforeEach(async () => {
  if (!hasEngine) return
  makeBusyboxImage()
  await makeHelperImage()
  front = await EngineFront.start()
})
afterEach(async () => {
  front.fault = () => false
  front.comeBack()
  await rig?.[Symbol.asyncDispose]()
  rig = undefined
  await front[Symbol.asyncDispose]()
})

async function start(options: JobRigOptions = {}): Promise<JobRig> {
  rig = await JobRig.start({ open: front.open, ...options })
  return rig
}

async function expectNothingLeft(of: JobRig): Promise<void> {
  await expect(of.left()).resolves.toEqual([])
  expect(of.lentSlots).toBe(0)
}

const plain = payload({ script: ['echo "ran"'] })

describe.skipIf(!hasEngine)('an Engine that', () => {
  test('answers nothing fails the job once its time is over', async () => {
    const given = await start({ executor: { clock: fast(30) } })
    front.fault = () => true
    const { outcome, trace } = await given.run(plain)
    expect(outcome).toMatchObject({ state: 'failed', reason: 'runner_system_failure', code: 'environment_failed' })
    expect(trace).toContain('asking for its version: no answer within 30 s')
    expect(given.lentSlots).toBe(0)
  })

  test('answers with errors fails the job with its words', async () => {
    const given = await start()
    front.fault = (_request, response) => refuse(response, 500, 'layer does not exist')
    const { outcome, trace } = await given.run(plain)
    expect(outcome).toMatchObject({ state: 'failed', reason: 'runner_system_failure', code: 'environment_failed' })
    expect(trace).toContain('asking for its version: layer does not exist')
    expect(given.lentSlots).toBe(0)
  })

  test('answers with a page fails the job with the beginning of it', async () => {
    const given = await start()
    front.fault = (_request, response) => {
      response.writeHead(502).end(`<html>Bad gateway${'x'.repeat(1_000_000)}`)
      return true
    }
    const { outcome, trace } = await given.run(plain)
    expect(outcome).toMatchObject({ state: 'failed', reason: 'runner_system_failure' })
    expect(trace).toContain('<html>Bad gateway')
    expect(trace.length + JSON.stringify(outcome).length).toBeLessThan(10_000)
  })

  test('is too old fails the job with both versions', async () => {
    const given = await start()
    front.fault = (_request, response) => {
      response.end(JSON.stringify({ ApiVersion: '1.24', MinAPIVersion: '1.12', Os: 'linux', Arch: 'amd64' }))
      return true
    }
    const { outcome, trace } = await given.run(plain)
    expect(outcome).toMatchObject({ state: 'failed', reason: 'runner_system_failure', code: 'environment_failed' })
    expect(trace).toContain('the Engine supports version 1.24 of the API, at least 1.40 is needed')
    expect(given.lentSlots).toBe(0)
  })

  test.each(['/containers/create', '/volumes/create'])('has no room at %s fails the job by that', async (path) => {
    const given = await start()
    front.fault = ({ url = '' }, response) =>
      url.includes(path) && refuse(response, 500, 'write /var/lib/docker/x: no space left on device')
    const { outcome, trace } = await given.run(plain)
    expect(outcome).toMatchObject({ state: 'failed', reason: 'runner_system_failure', code: 'machine_unwritable' })
    expect(trace).toContain('no space left on device')
    await expectNothingLeft(given)
    front.fault = () => false
    // Its instance gets no more jobs: this is another loan.
    expect((await given.run(plain)).trace).toContain('on instance engine-2')
  })

  test('has no room where a container is started fails the job by that', async () => {
    const given = await start()
    front.fault = ({ url = '' }, response) =>
      url.endsWith('/start') && refuse(response, 500, 'mkdir /var/lib/docker/x: no space left on device')
    const { outcome, trace } = await given.run(plain)
    expect(outcome).toMatchObject({ state: 'failed', reason: 'runner_system_failure', code: 'machine_unwritable' })
    expect(trace).toContain('no space left on device')
    await expectNothingLeft(given)
  })

  /** Goes away at a request, once, and comes back. */
  function outageAt(isIt: (path: string) => boolean): void {
    front.fault = ({ url = '' }) => {
      if (!isIt(url)) return false
      front.fault = () => false
      front.goAway()
      setTimeout(() => front.comeBack(), 1500)
      return true
    }
  }
  const patient = { executor: { outlives: { reconnectGraceMs: 20_000 } } }
  const cache = [{ key: 'k', paths: ['kept'], policy: '', when: '', fallback_keys: [], untracked: false }]
  const saving = payload({ script: ['echo kept >kept'], overrides: { cache } })

  test('is out of reach while the container of the job is made, and the job takes another place', async () => {
    const given = await start(patient)
    outageAt((path) => /containers\/create.*-job/.test(path))
    const { outcome, trace } = await given.run(plain)
    expect(outcome, trace).toEqual({ state: 'success' })
    expect(trace).toContain('Nothing of the job has started: moving to another slot.')
    await expectNothingLeft(given)
  })

  test.each([
    ['the container for files is made', /containers\/create.*-files-0/],
    ['a command for files is begun', /\/exec$/],
  ])('is out of reach while %s, and it is done again', async (_what, request) => {
    const given = await start(patient)
    outageAt((path) => request.test(path))
    const { outcome, trace } = await given.run(saving)
    expect(outcome, trace).toEqual({ state: 'success' })
    expect(trace).toContain('Created cache')
    await expectNothingLeft(given)
  })

  test('is out of reach while the helper is made, and sources are got', async () => {
    using repository = new TestRepository()
    const sha = repository.commit('file', 'text')
    const { root } = repository
    const settings = { volumes: [{ source: root, destination: root, options: ['ro'] }] }
    const given = await start({ ...patient, settings })
    outageAt((path) => /containers\/create.*-helper-0/.test(path))
    const { outcome, trace } = await given.run(gitJob(repository.url, sha, { script: ['cat file'] }))
    expect(outcome, trace).toEqual({ state: 'success' })
    expect(trace).toContain('\ntext')
    await expectNothingLeft(given)
  })

  test('goes away under a script loses the job, and what it left is removed by the next one', async () => {
    const given = await start({ executor: { outlives: { reconnectGraceMs: 1000 } } })
    const { outcome, trace } = await given.run(payload({ script: ['echo "begun"', 'sleep 600'] }), {
      onOutput: (text) => {
        if (text.includes('\nbegun')) front.goAway()
      },
    })
    expect(outcome).toMatchObject({ state: 'failed', reason: 'runner_system_failure', code: 'environment_lost' })
    expect(trace).toContain('it could not be reached again within 1 s')
    expect(trace).toContain('reading the output of container')
    await given.executor.sweepsEnded()
    expect(given.lentSlots).toBe(0)
    expect(await given.left()).not.toEqual([])
    front.comeBack()
    expect((await given.run(plain)).outcome).toEqual({ state: 'success' })
    await expectNothingLeft(given)
  })

  const sixtyLines = payload({ script: ['for i in $(seq 60); do echo "line $i"; sleep 0.1; done'] })

  test('falls silent under a script costs the job nothing once it answers again', async () => {
    // Less than an Engine has at first to say which version it is of.
    const given = await start({ executor: { clock: fast(5), outlives: { reconnectGraceMs: 28_000 } } })
    const silent: string[] = []
    const { outcome, trace } = await given.run(sixtyLines, {
      onOutput: (text) => {
        if (silent.length > 0 || !text.includes('\nline 3\n')) return
        front.hang()
        front.fault = ({ url = '' }) => {
          silent.push(url)
          // One try to reach it again is in vain.
          if (!url.endsWith('/version')) return true
          front.comeBack()
          front.fault = () => false
          return true
        }
        silent.push('from here on')
      },
    })
    expect(outcome, trace).toEqual({ state: 'success' })
    expect(trace.match(/^line \d+$/gm)).toEqual(Array.from({ length: 60 }, (_, index) => `line ${index + 1}`))
    expect([silent[1], silent.at(-1)]).toEqual([expect.stringMatching(/_ping$/), '/version'])
    await expectNothingLeft(given)
  })

  test('stays silent under a script loses the job', async () => {
    const given = await start({ executor: { clock: fast(10), outlives: { reconnectGraceMs: 60_000 } } })
    const { outcome, trace } = await given.run(sixtyLines, {
      onOutput: (text) => {
        if (text.includes('\nline 3\n')) front.hang()
      },
    })
    expect(outcome, trace).toMatchObject({ state: 'failed', code: 'environment_lost' })
    expect(trace).toContain('asking whether it answers: no answer within 30 s')
    expect(trace).toContain('it could not be reached again within 60 s')
    front.fault = () => false
    front.comeBack()
    expect((await given.run(plain)).outcome).toEqual({ state: 'success' })
    await expectNothingLeft(given)
  })

  test('hangs under a script does not keep a canceled job, whose containers go with the next one', async () => {
    const given = await start({ executor: { clock: fast(10) } })
    const canceling = new AbortController()
    const { outcome } = await given.run(payload({ script: ['echo "begun"', 'sleep 600'] }), {
      canceling: canceling.signal,
      onOutput: (text) => {
        if (!text.includes('\nbegun')) return
        front.hang()
        canceling.abort()
      },
    })
    expect(outcome).toMatchObject({ state: 'failed', code: 'canceled' })
    await given.executor.sweepsEnded()
    expect(given.lentSlots).toBe(0)
    front.fault = () => false
    front.comeBack()
    expect((await given.run(plain)).outcome).toEqual({ state: 'success' })
    await expectNothingLeft(given)
  })

  test.each(['/version', '/images/'])(
    'sends no end of an answer at %s fails the job, and fills no memory',
    async (path) => {
      const given = await start()
      let sent = 0
      front.fault = ({ url = '' }, response) => {
        if (!url.includes(path)) return false
        const piece = Buffer.alloc(1024 * 1024, 'x')
        const send = (): void => {
          while (!response.destroyed && sent < 400) {
            sent++
            if (!response.write(piece)) return void response.once('drain', send)
          }
          response.end()
        }
        send()
        return true
      }
      const { outcome, trace } = await given.run(plain)
      expect(sent).toBeLessThan(100)
      expect(outcome).toMatchObject({ state: 'failed', reason: 'runner_system_failure' })
      expect(trace).toContain('the Engine sent a response of more than')
      front.fault = () => false
      await expectNothingLeft(given)
    },
  )

  test('is never told a secret in an address', async () => {
    const secret = 'very-secret-word'
    const given = await start({
      executor: { environmentVariables: [{ key: 'OF_RUNNER', value: secret }] },
    })
    const job = payload({ script: ['echo "ran"'], variables: [variable('PASSWORD', secret, { masked: true })] })
    const { outcome } = await given.run({ ...job, token: secret })
    expect(outcome).toMatchObject({ state: 'success' })
    expect(front.asked.length).toBeGreaterThan(5)
    expect(front.asked.filter((each) => decodeURIComponent(each).includes(secret))).toEqual([])
    expect(front.asked.filter((each) => /volumes.create[?]./.test(each))).toEqual([])
    await expectNothingLeft(given)
  })
})
