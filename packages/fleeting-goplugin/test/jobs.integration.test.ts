import { killedUnderJobs } from '@runner-core/testkit/jobs/killed-under-jobs'
import { sshdMissing } from '@runner-core/testkit/ssh/openssh-server'
import { onTestFinished, test } from 'vitest'
import { FakePluginFile } from './fake-plugin-file.ts'

const missing = sshdMissing()
if (missing !== undefined) console.warn(`SKIPPED: jobs through a plugin that is killed: ${missing}`)

test.skipIf(missing !== undefined)(
  'jobs go on while their plugin is down, and the next gets a machine from its next process',
  async () => {
    await killedUnderJobs((sshd) => {
      const plugin = new FakePluginFile({ connectInfo: { internalAddr: `127.0.0.1:${sshd.port}` } })
      onTestFinished(() => plugin.remove())
      return {
        file: plugin.file,
        config: '',
        pid: () => plugin.called('Init').at(-1)!.pid,
        mayStart: (may) => {
          plugin.faults = may ? {} : { errors: { Init: { text: 'not yet' } } }
        },
      }
    })
  },
)
