// `npm run slice -w packages/fleeting-plugin-aws`: cuts the calls that plugin aws makes out of the SDK, to the plugin's folder `sdk`. Why: docs/decisions/plugins.md.
// `npm run setup` does it whenever this file or the locked version changed.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { isBuiltin } from 'node:module'
import { fileURLToPath } from 'node:url'
import { rolldown } from 'rolldown'

/** By package of the SDK, the client's name and the calls that stay. */
const slices: Readonly<Record<string, { readonly client: string; readonly calls: readonly string[] }>> = {
  'client-ec2': {
    client: 'EC2',
    calls: ['DescribeInstances', 'DescribeLaunchTemplateVersions', 'DescribeSpotInstanceRequests', 'GetConsoleOutput', 'GetPasswordData'],
  },
  'client-auto-scaling': {
    client: 'AutoScaling',
    calls: [
      'CreateOrUpdateTags',
      'DescribeAutoScalingGroups',
      'DescribeInstanceRefreshes',
      'DescribeScalingActivities',
      'LaunchInstances',
      'SetDesiredCapacity',
      'TerminateInstanceInAutoScalingGroup',
    ],
  },
}

const plugin = new URL('../packages/fleeting-plugin-aws/', import.meta.url)

/** Of the plugin: no check of dead code sees what a folder imports that git does not know. */
const dependencies = new Set(
  Object.keys((JSON.parse(text('packages/fleeting-plugin-aws/package.json')) as { readonly dependencies: object }).dependencies),
)

/** What the files of the folder are to hold, by name. */
async function sliceSdk(): Promise<ReadonlyMap<string, string>> {
  const files = new Map<string, string>()
  for (const [name, { client, calls }] of Object.entries(slices)) {
    const library = `@aws-sdk/${name}`
    const { version, license } = JSON.parse(text(`node_modules/${library}/package.json`)) as Readonly<Record<'version' | 'license', string>>
    const origin = `// Cut out of ${library} ${version} by scripts/sdk-slice.ts; not to be edited.\n// Copyright Amazon.com, Inc. or its affiliates. SPDX-License-Identifier: ${license}\n`
    files.set(`${name}.js`, origin + (await cut(library, client, calls)))
    files.set(`${name}.d.ts`, origin + types(library, client, calls))
    files.set('LICENSE', text(`node_modules/${library}/LICENSE`))
  }
  return files
}

async function cut(library: string, client: string, calls: readonly string[]): Promise<string> {
  const entry = `import { createAggregatedClient } from '@smithy/core/client'
import { ${client}Client } from '${library}/dist-es/${client}Client.js'
${calls.map((call) => `import { ${call}Command } from '${library}/dist-es/commands/${call}Command.js'`).join('\n')}
export class ${client} extends ${client}Client {}
createAggregatedClient({ ${calls.map((call) => `${call}Command`).join(', ')} }, ${client})`
  const file = fileURLToPath(new URL('entry.js', plugin))
  const build = await rolldown({
    input: file,
    cwd: fileURLToPath(plugin),
    platform: 'node',
    // What the SDK's packages have in common stays where it is: they all load it.
    external: (id) => !/^[./]/.test(id) && !id.startsWith(`${library}/`),
    treeshake: { moduleSideEffects: (id) => id === file },
    plugins: [{ name: 'entry', resolveId: (id) => (id === file ? id : undefined), load: (id) => (id === file ? entry : undefined) }],
  })
  const { output } = await build.generate({ format: 'esm' })
  const { code } = output[0]
  const imported = Array.from(code.matchAll(/^import (?:.* from )?"(.+)";$/gm), ([, path = '']) => path)
  const missing = imported.filter((path) => !isBuiltin(path) && !dependencies.has(packageOf(path)))
  if (missing.length > 0) throw new Error(`the plugin has to depend on what its slice of ${library} imports: ${missing.join(', ')}`)
  return code.replaceAll(/^\/\/#(end)?region.*\n/gm, '')
}

function types(library: string, client: string, calls: readonly string[]): string {
  const members = ['config', 'destroy', ...calls.map((call) => call.charAt(0).toLowerCase() + call.slice(1))]
  return `import type { ${client} as Whole, ${client}ClientConfig } from '${library}'
export type ${client} = Pick<Whole, ${members.map((member) => `'${member}'`).join(' | ')}>
export declare const ${client}: new (config: ${client}ClientConfig) => ${client}
`
}

function packageOf(path: string): string {
  return path.split('/', path.startsWith('@') ? 2 : 1).join('/')
}

function text(path: string): string {
  return readFileSync(new URL(`../${path}`, import.meta.url), 'utf8')
}

mkdirSync(new URL('sdk/', plugin), { recursive: true })
for (const [name, content] of await sliceSdk()) writeFileSync(new URL(`sdk/${name}`, plugin), content)
