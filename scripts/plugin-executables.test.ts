// The executables of the plugins differ in nothing but their names, the template's and the guide's included: what they
// start Node with is measured once, for all.
import { globSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

const root = new URL('../', import.meta.url)
const read = (path: string): string => readFileSync(new URL(path, root), 'utf8')
const template = read('packages/create-fleeting-plugin/template/bin/fleeting-plugin-__name__.js.in')

test('every plugin is started as the template has it', () => {
  const executables = globSync('packages/fleeting-plugin-*/bin/*.js', { cwd: root.pathname })
  expect(executables.length).toBeGreaterThan(5)
  for (const path of executables) expect(read(path), path).toBe(template)
  expect(read('docs/guides/serve-plugin.md')).toContain(`\`\`\`js\n${template}\`\`\``)
})
