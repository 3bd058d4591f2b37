import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FakeGce, type FakeGceOptions, RealMachines } from '@runner-core/cloud-fakes'
import {
  type InstanceGroup,
  type KeyPair,
  type PluginContext,
  silentLogger,
  systemClock,
  systemRandom,
} from '@runner-core/fleeting'
import { newKeyPair } from '@runner-core/fleeting/ssh'
import { createInstanceGroup as createLocalGroup } from '@runner-core/fleeting-plugin-local'
import { createInstanceGroup } from '../src/index.ts'

export interface FakeCloud extends AsyncDisposable {
  readonly fake: FakeGce
  /** What all machines let in. */
  readonly keyPair: KeyPair
  /** A group of the plugin on this cloud. `config` and `context` over those of the test. */
  makeGroup(config?: Readonly<Record<string, unknown>>, context?: Partial<PluginContext>): InstanceGroup
}

/**
 * The fake, logged in to by a credentials file. Fake and group are on the real clock unless told. With `port` each
 * machine is one of the plugin `local`, which answers there.
 */
export async function startFakeCloud(
  options: Partial<FakeGceOptions> & { readonly port?: number } = {},
): Promise<FakeCloud> {
  const { port, clock = systemClock, ...fakeOptions } = options
  const keyPair = await newKeyPair()
  const directory = mkdtempSync(join(tmpdir(), 'gce-'))
  await using stack = new AsyncDisposableStack()
  stack.defer(() => rmSync(directory, { recursive: true }))
  const connector = { privateKey: keyPair.privateKey }
  const context = { fleet: 'conformance', connector, logger: silentLogger, clock, random: systemRandom }

  let real: RealMachines | undefined
  if (port !== undefined) {
    const group = createLocalGroup({}, context)
    await group.init(new AbortController().signal)
    stack.defer(() => group.shutdown())
    real = stack.use(new RealMachines({ group, clock: systemClock, port }))
  }
  const fake = stack.use(await FakeGce.start({ clock, ...(real !== undefined && { real }), ...fakeOptions }))
  const credentialsFile = join(directory, 'credentials.json')
  writeFileSync(credentialsFile, JSON.stringify(fake.credentials))
  const disposal = stack.move()
  return {
    fake,
    keyPair,
    makeGroup: (config, changed) => {
      const where = fakeOptions.region === undefined ? { zone: 'europe-west1-b' } : { region: fakeOptions.region }
      const base = {
        name: 'runners',
        project: 'fleet-project',
        ...where,
        endpoint: fake.url,
        credentials_file: credentialsFile,
      }
      const protocol = port !== undefined && { protocolPort: port }
      return createInstanceGroup(
        { ...base, ...config },
        { ...context, connector: { ...connector, ...protocol }, ...changed },
      )
    },
    [Symbol.asyncDispose]: () => disposal.disposeAsync(),
  }
}
