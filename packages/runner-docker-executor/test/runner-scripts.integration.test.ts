import { hasEngine, makeBusyboxImage } from '@runner-core/testkit/containers/busybox-image'
import { makeHelperImage } from '@runner-core/testkit/containers/helper-image'
import { gitJob } from '@runner-core/testkit/jobs/git-job'
import { hasGit, TestRepository } from '@runner-core/testkit/jobs/git-server'
import { beforeAll, expect, test } from 'vitest'
import { JobRig } from './job-rig.ts'

beforeAll(async () => {
  if (!hasEngine) return
  makeBusyboxImage()
  await makeHelperImage()
}, 120_000)

test.skipIf(!hasEngine || !hasGit)(
  'scripts of the runner run in the helper around the sources, and in the container of the job around its lines',
  { timeout: 60_000 },
  async () => {
    using repository = new TestRepository()
    const sha = repository.commit('file', 'content')
    const volumes = [{ source: repository.root, destination: repository.root, options: ['ro'] }]
    await using rig = await JobRig.start({ settings: { volumes } })
    // Only the helper's image has git.
    const where = 'if command -v git >/dev/null; then echo in the helper; else echo in the job; fi'
    const { outcome, trace } = await rig.run(gitJob(repository.url, sha, { script: ['echo the lines'] }), {
      runnerScripts: {
        preGetSources: `printf "before sources "; ${where}`,
        postGetSources: `printf "$(cat file) "; ${where}`,
        preBuild: `printf "before "; ${where}`,
        postBuild: `printf "after "; ${where}`,
      },
    })
    expect(outcome, trace).toEqual({ state: 'success' })
    expect(trace.split('\n').filter((line) => /in the (helper|job)$|^the lines$/.test(line))).toEqual([
      'before sources in the helper',
      'content in the helper',
      'before in the job',
      'the lines',
      'after in the job',
    ])
  },
)
