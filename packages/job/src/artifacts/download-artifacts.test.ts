import { zipBytes } from '@runner-core/testkit/archives/archive-bytes'
import { piecesOf } from '@runner-core/testkit/archives/archive-rig'
import { describe, expect, it } from 'vitest'
import { JobBudget } from '../job-budget.ts'
import { EnvironmentError, type FileTransfer, type ScriptEnd } from '../job-environment.ts'
import { JobError } from '../job-error.ts'
import { type ArtifactDownload, ArtifactDownloadError, type ArtifactSource } from './artifact-source.ts'
import { dependencyContext } from './dependency-context.ts'
import { downloadArtifacts } from './download-artifacts.ts'

const build = { id: 7, token: 'glcbt-build', name: 'build', filename: 'artifacts.zip' }
const lint = { id: 8, token: 'glcbt-lint', name: 'lint', filename: 'artifacts.zip' }
const good = zipBytes([{ name: 'out/file', content: 'content' }])
const evil = zipBytes([{ name: '../evil', content: 'content' }])
const failed = new ArtifactDownloadError('failed', 'gitlab.invalid answered 500')

/** What a download comes to: bytes, or an error before or after some of them. */
type Answer = Buffer | Error | { readonly bytes: Buffer; readonly brokenBy: Error }

interface RigOptions {
  readonly answers: readonly Answer[]
  /** What the machine makes of each archive that it is sent. Default: it unpacks it. */
  readonly ends?: readonly (ScriptEnd | Error)[]
  readonly dependencies?: readonly (typeof build)[]
  readonly settings?: Readonly<Record<string, string>>
}

/** Runs the stage over answers and machines as told, on a clock on which all waiting is over at once. */
async function runStage({ answers, ends = [], dependencies = [build], settings = {} }: RigOptions) {
  const said: string[] = []
  const asked: { readonly id: number; readonly token: string; readonly mayBeElsewhere: boolean }[] = []
  const waits: number[] = []
  const sent: Buffer[] = []
  const left = [...answers]
  const source: ArtifactSource = {
    async download({ id, token }, { mayBeElsewhere }: ArtifactDownload) {
      asked.push({ id, token, mayBeElsewhere })
      const answer = left.shift() ?? failed
      if (answer instanceof Error) throw answer
      return Buffer.isBuffer(answer) ? piecesOf(answer) : brokenOff(answer.bytes, answer.brokenBy)
    },
  }
  const machine = [...ends]
  const transfer = async ({ input }: FileTransfer): Promise<ScriptEnd> => {
    const pieces: Buffer[] = []
    for await (const piece of input ?? []) pieces.push(piece)
    sent.push(Buffer.concat(pieces))
    const end = machine.shift() ?? { exitCode: 0 }
    if (end instanceof Error) throw end
    return end
  }
  const stop = new AbortController()
  const clock = {
    after(delayMs: number, callback: () => void) {
      waits.push(delayMs)
      queueMicrotask(callback)
      return () => {}
    },
  }
  const say =
    (level: string) =>
    async (text: string): Promise<void> => {
      said.push(`${level}${text}`)
    }
  const plan = { projectDir: '/builds/p', setting: (key: string) => settings[key] ?? '' }
  const stages = downloadArtifacts(dependencyContext({ payload: { dependencies }, plan, artifacts: source, clock }))
  const work = {
    environment: { transfer, jobMarker: { name: 'M', value: 'v' } },
    log: { line: say(''), warning: say('W: '), error: say('E: ') },
    signal: stop.signal,
    budget: new JobBudget(),
  }
  let error: unknown
  for (const stage of stages) await stage.run(work).catch((thrown: unknown) => (error = thrown))
  return { said, asked, waits, sent, error, stages: stages.length }
}

async function* brokenOff(bytes: Buffer, error: Error): AsyncGenerator<Buffer> {
  yield bytes
  throw error
}

it('jobs that left nothing cost nothing', async () => {
  const { stages, asked } = await runStage({ answers: [], dependencies: [{ ...build, filename: '' }] })
  expect({ stages, asked }).toEqual({ stages: 0, asked: [] })
})

it('each archive is got with the token of the job that left it, and unpacked, one after the other', async () => {
  const { said, asked, sent, error } = await runStage({
    answers: [good, good],
    dependencies: [build, { ...lint, filename: '' }, lint],
  })
  expect(error).toBeUndefined()
  expect(asked).toEqual([
    { id: 7, token: 'glcbt-build', mayBeElsewhere: true },
    { id: 8, token: 'glcbt-lint', mayBeElsewhere: true },
  ])
  expect(said).toEqual([
    'Downloading artifacts for build (7)...',
    'Downloading artifacts from coordinator... ok  id=7',
    'Downloading artifacts for lint (8)...',
    'Downloading artifacts from coordinator... ok  id=8',
  ])
  expect(sent).toHaveLength(2)
})

it.each(['false', '0'])('FF_USE_DIRECT_DOWNLOAD=%s: the coordinator sends them itself', async (setting) => {
  const { asked } = await runStage({ answers: [good], settings: { FF_USE_DIRECT_DOWNLOAD: setting } })
  expect(asked).toMatchObject([{ mayBeElsewhere: false }])
})

describe('what fails', () => {
  it('is tried three times, the second time not elsewhere', async () => {
    const { asked, waits, error, said } = await runStage({
      answers: [failed, { bytes: good.subarray(0, 50), brokenBy: failed }, good],
    })
    expect(error).toBeUndefined()
    expect(asked.map(({ mayBeElsewhere }) => mayBeElsewhere)).toEqual([true, false, false])
    expect(waits).toEqual([1000, 1000])
    expect(said).toEqual([
      'Downloading artifacts for build (7)...',
      'W: Downloading artifacts from coordinator... failed  id=7: gitlab.invalid answered 500',
      'W: Retrying...',
      'W: Downloading artifacts from coordinator... failed  id=7: gitlab.invalid answered 500',
      'W: Retrying...',
      'Downloading artifacts from coordinator... ok  id=7',
    ])
  })

  it('fails the job as a fault of the system in the end', async () => {
    const { asked, error, sent } = await runStage({ answers: [] })
    expect(asked).toHaveLength(3)
    expect(error).toMatchObject({ name: 'JobError', code: 'dependencies_failed', reason: 'runner_system_failure' })
    expect(sent).toEqual([])
  })

  it.each(['unauthorized', 'forbidden', 'not_found'] as const)(
    '%s is an answer: it is not asked again',
    async (code) => {
      const { asked, said, error } = await runStage({
        answers: [new ArtifactDownloadError(code, 'the words of the server')],
      })
      expect(asked).toHaveLength(1)
      expect(error).toMatchObject({ code: 'dependencies_failed', reason: 'script_failure' })
      expect(said.at(-1)).toBe(
        `W: Downloading artifacts from coordinator... ${code.replace('_', ' ')}  id=7: the words of the server`,
      )
    },
  )

  it('the whole stage is tried ARTIFACT_DOWNLOAD_ATTEMPTS times, after longer and longer pauses', async () => {
    const gone = new ArtifactDownloadError('not_found', 'gone')
    const { asked, waits, error, said } = await runStage({
      answers: [gone, gone, gone],
      settings: { ARTIFACT_DOWNLOAD_ATTEMPTS: '3' },
    })
    expect(asked.map(({ mayBeElsewhere }) => mayBeElsewhere)).toEqual([true, true, true])
    expect(waits).toEqual([5000, 10_000])
    expect(error).toMatchObject({ code: 'dependencies_failed' })
    expect(said.filter((text) => text.startsWith('Retrying'))).toEqual(['Retrying in 5s', 'Retrying in 10s'])
  })

  it('ARTIFACT_DOWNLOAD_ATTEMPTS that is no number is said, and is 1', async () => {
    const { asked, said } = await runStage({
      answers: [new ArtifactDownloadError('not_found', 'gone')],
      settings: { ARTIFACT_DOWNLOAD_ATTEMPTS: 'many' },
    })
    expect(asked).toHaveLength(1)
    expect(said[0]).toMatch(/^W: ARTIFACT_DOWNLOAD_ATTEMPTS: expected 1 to 10/)
  })

  it('an archive that is refused is not got again, and nothing of it is sent to the machine', async () => {
    const { asked, sent, error } = await runStage({ answers: [evil], settings: { ARTIFACT_DOWNLOAD_ATTEMPTS: '3' } })
    expect(asked).toHaveLength(1)
    expect(sent).toEqual([])
    expect(error).toMatchObject({
      code: 'dependencies_failed',
      reason: 'script_failure',
      message: expect.stringContaining('../evil'),
    })
  })

  it('one that is damaged is', async () => {
    const { asked, error } = await runStage({
      answers: [good.subarray(0, -5), good],
      settings: { ARTIFACT_DOWNLOAD_ATTEMPTS: '2' },
    })
    expect(asked).toHaveLength(2)
    expect(error).toBeUndefined()
  })

  it('what the machine could not write is its fault', async () => {
    const { error } = await runStage({ answers: [good], ends: [{ exitCode: 2 }] })
    expect(error).toMatchObject({ code: 'dependencies_failed', reason: 'runner_system_failure' })
  })
})

describe('the connection', () => {
  const cut = new EnvironmentError('cut', 'the connection broke')

  it('breaks while it is unpacked: the same archive is unpacked again', async () => {
    const { asked, sent, error } = await runStage({ answers: [good], ends: [cut, cut] })
    expect(error).toBeUndefined()
    expect(asked).toHaveLength(1)
    expect(sent).toHaveLength(3)
    expect(sent[2]).toEqual(sent[0])
  })

  it.each([
    ['breaks again and again', [cut, cut, cut], 'cut'],
    ['is lost with its machine', [new EnvironmentError('lost', 'gone')], 'lost'],
  ] as const)('%s: no attempt is made of it', async (_, ends, code) => {
    const { asked, error } = await runStage({ answers: [good], ends, settings: { ARTIFACT_DOWNLOAD_ATTEMPTS: '3' } })
    expect(asked).toHaveLength(1)
    expect(error).toMatchObject({ name: 'EnvironmentError', code })
  })
})

it('a job that is stopped meanwhile ends for that reason', async () => {
  const reason = new JobError('canceled', 'job_canceled', 'canceled')
  const source: ArtifactSource = {
    async download(_, { signal }) {
      stop.abort(reason)
      return signal.aborted
        ? brokenOff(good.subarray(0, 50), new ArtifactDownloadError('failed', 'aborted'))
        : piecesOf(good)
    },
  }
  const stop = new AbortController()
  const clock = { after: () => () => {} }
  const plan = { projectDir: '/builds/p', setting: () => '' }
  const [stage] = downloadArtifacts(
    dependencyContext({ payload: { dependencies: [build] }, plan, artifacts: source, clock }),
  )
  const said: string[] = []
  const say = async (text: string): Promise<void> => void said.push(text)
  const transfer = async (): Promise<ScriptEnd> => ({ exitCode: 0 })
  const work = {
    environment: { transfer, jobMarker: { name: 'M', value: 'v' } },
    log: { line: say, warning: say, error: say },
    signal: stop.signal,
    budget: new JobBudget(),
  }
  await expect(stage!.run(work)).rejects.toBe(reason)
  expect(said).toEqual(['Downloading artifacts for build (7)...'])
})
