import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FakeAzure, LocalMachines } from '@runner-core/cloud-fakes'
import { systemClock } from '@runner-core/fleeting'
import type { CreateConformanceCloud } from '@runner-core/fleeting/testing'

/** An Azure with a Flexible scale set whose launches fail without leaving a machine. */
export const createConformanceCloud: CreateConformanceCloud = async () => {
  const real = await LocalMachines.start()
  const lags = { appearMs: 20, bootMs: 60, deleteMs: 40 }
  const fake = await FakeAzure.start({ clock: systemClock, mode: 'Flexible', failedLaunches: 'nothing', lags, real })
  const directory = mkdtempSync(join(tmpdir(), 'flexible-azure-'))
  writeFileSync(join(directory, 'ca.pem'), fake.certificate)
  Object.assign(process.env, fake.env)
  return {
    pluginConfig: { ...fake.config, ca_file: join(directory, 'ca.pem') },
    connector: real.connector,
    controls: fake.controls,
    options: { pollMs: 20 },
    async [Symbol.asyncDispose]() {
      rmSync(directory, { recursive: true })
      await fake[Symbol.asyncDispose]()
      await real[Symbol.asyncDispose]()
    },
  }
}
