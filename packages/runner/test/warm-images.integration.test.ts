// Images that a new instance pulls, as an operator sees them: a real manager on a real Engine over SSH, and `explain`.
import { join } from 'node:path'
import { runBin } from '@runner-core/testkit/manager/bin'
import { kill } from '@runner-core/testkit/manager/managers'
import { expect, test } from 'vitest'
import { busyboxImage, DockerRig, hasEngine } from './docker-jobs-rig.ts'

if (!hasEngine) console.warn('SKIPPED: images that a new instance pulls: no Docker Engine answers')

// Nobody listens there.
const absent = '127.0.0.1:1/group/absent:1'

test.skipIf(!hasEngine)(
  'a job gets its instance while that pulls, explain says so, and the next manager tells of no instance anew',
  { timeout: 180_000 },
  async () => {
    await using rig = await DockerRig.start({
      executor: 'docker-autoscaler',
      keepsState: true,
      slots: 2,
      settings: `prewarm_images = ["${busyboxImage}", "${absent}"]`,
    })
    const run = async (): Promise<string> => {
      const { state, trace } = await rig.enqueue({ script: ['echo done'] }).finished
      expect(state, trace.text()).toBe('success')
      return / on instance (\S+),/.exec(trace.text())![1]!
    }
    const first = rig.managers.start()
    const instance = await run()
    await expect.poll(() => first.stderr, { timeout: 60_000 }).toContain('image not pulled')
    expect(first.stderr.match(/image not pulled/g)).toHaveLength(1)
    const explain = async (): Promise<string> => {
      const config = join(rig.managers.folder, 'config.toml')
      const { code, stdout, stderr } = await runBin(['explain', '--config', config, '--instance', instance])
      expect(code, stderr).toBe(0)
      return stdout
    }
    const title = `pulling ${busyboxImage}, ${absent}`
    await expect
      .poll(explain, { timeout: 30_000 })
      .toMatch(
        new RegExp(
          `warming ${instance}: ${title}; passed its readiness check, .*\\n.*ready ${instance}: a job needs it; ${title} continues beside it\\n`,
        ),
      )
    await kill(first)
    const second = rig.managers.start()
    expect(await run()).toBe(instance)
    await expect.poll(() => second.stderr, { timeout: 60_000 }).toContain('image not pulled')
    expect((await explain()).match(/ warming /g)).toHaveLength(1)
  },
)
