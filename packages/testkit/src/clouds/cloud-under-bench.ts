import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  awsRateLimits,
  azureRateLimits,
  FakeAws,
  FakeAzure,
  FakeGce,
  gceRateLimits,
  type Lags,
} from '@runner-core/cloud-fakes'
import type { Clock, CreateInstanceGroup } from '@runner-core/fleeting'
import type { CloudControls } from '@runner-core/fleeting/testing'

/** A cloud's fake, and what a plugin is given to use it. The login is in the environment, or in files. */
export interface CloudUnderBench extends AsyncDisposable {
  readonly createInstanceGroup: CreateInstanceGroup
  readonly pluginConfig: Readonly<Record<string, unknown>>
  /** For the environment of whoever uses the plugin. */
  readonly env: Readonly<Record<string, string>>
  readonly controls: CloudControls
}

export type CloudName = 'aws' | 'gce' | 'azure'
export const cloudNames: readonly CloudName[] = ['aws', 'gce', 'azure']

export interface CloudOptions {
  readonly clock: Clock
  readonly maxSize: number
  readonly lags?: Lags
}

/** Starts the fake with the cloud's published rate limits. */
export const startCloud: Readonly<Record<CloudName, (options: CloudOptions) => Promise<CloudUnderBench>>> = {
  async aws(options) {
    const fake = await FakeAws.start({ ...options, rateLimits: awsRateLimits })
    const { createInstanceGroup } = await import('@runner-core/fleeting-plugin-aws')
    return {
      createInstanceGroup,
      pluginConfig: { name: 'runners', region: 'eu-west-1', endpoint: fake.url },
      env: { AWS_ACCESS_KEY_ID: 'AKIAFAKE', AWS_SECRET_ACCESS_KEY: 'fake' },
      controls: fake.controls,
      [Symbol.asyncDispose]: () => fake[Symbol.asyncDispose](),
    }
  },
  async gce(options) {
    const fake = await FakeGce.start({ ...options, rateLimits: gceRateLimits })
    const { createInstanceGroup } = await import('@runner-core/fleeting-plugin-gce')
    const file = privateFile('credentials.json', JSON.stringify(fake.credentials))
    return {
      createInstanceGroup,
      pluginConfig: {
        name: 'runners',
        project: 'fleet-project',
        zone: 'europe-west1-b',
        endpoint: fake.url,
        credentials_file: file.path,
      },
      env: {},
      controls: fake.controls,
      async [Symbol.asyncDispose]() {
        file.remove()
        await fake[Symbol.asyncDispose]()
      },
    }
  },
  async azure(options) {
    const fake = await FakeAzure.start({ ...options, rateLimits: azureRateLimits })
    const { createInstanceGroup } = await import('@runner-core/fleeting-plugin-azure')
    const file = privateFile('ca.pem', fake.certificate)
    return {
      createInstanceGroup,
      pluginConfig: { ...fake.config, ca_file: file.path },
      env: fake.env,
      controls: fake.controls,
      async [Symbol.asyncDispose]() {
        file.remove()
        await fake[Symbol.asyncDispose]()
      },
    }
  },
}

function privateFile(name: string, content: string): { readonly path: string; remove(): void } {
  const directory = mkdtempSync(join(tmpdir(), 'cloud-bench-'))
  const path = join(directory, name)
  writeFileSync(path, content, { mode: 0o600 })
  return { path, remove: () => rmSync(directory, { recursive: true }) }
}
