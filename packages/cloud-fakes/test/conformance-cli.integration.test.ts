// The README's commands: the suite on a plugin and a fake, from the command line.
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

const bin = fileURLToPath(new URL('../../fleeting/bin/fleeting.js', import.meta.url))
const cwd = fileURLToPath(new URL('.', import.meta.url))

interface Report {
  readonly failed: number
  readonly outcomes: readonly { readonly name: string; readonly outcome: string }[]
  readonly calls: Readonly<Record<string, number>>
}

async function conformance(plugin: string, cloud: string, only: string): Promise<Report> {
  const args = ['conformance', plugin, '--cloud', cloud, '--json', '--only', only]
  const { stdout } = await promisify(execFile)(process.execPath, [bin, ...args], { cwd })
  return JSON.parse(stdout) as Report
}

test.each([
  ['aws', '@runner-core/cloud-fakes/aws'],
  ['gce', '@runner-core/cloud-fakes/gce'],
  ['azure', '@runner-core/cloud-fakes/azure'],
  ['azure', './flexible-azure.ts'],
])('plugin %s finds the cloud of %s, and commands run on its machines', async (plugin, cloud) => {
  const { failed, outcomes, calls } = await conformance(plugin, cloud, 'commands run')
  expect(failed).toBe(0)
  expect(outcomes.map(({ outcome }) => outcome)).toEqual(['passed', 'passed'])
  expect(Object.keys(calls).length).toBeGreaterThan(3)
})

test('credentials expire there: the clock of fake and plugin is set forward', async () => {
  const { outcomes } = await conformance('aws', '@runner-core/cloud-fakes/aws', 'credentials that expire')
  expect(outcomes[0]).toMatchObject({ name: 'credentials that expire are renewed', outcome: 'passed' })
})
