// What the plugins' READMEs say of keys that are not the plugin's own: each exists.
import { globSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

const root = new URL('../', import.meta.url)
const read = (path: string): string => readFileSync(new URL(path, root), 'utf8')
const [, connectorConfig = ''] =
  /\n## `\[runners\.autoscaler\.connector_config\]`\n([\s\S]*?)\n## /.exec(read('docs/reference/config.md')) ?? []
const connectorKeys = new Set([...connectorConfig.matchAll(/^\| `(\w+)` \|/gm)].map(([, key]) => key))

test.each(globSync('packages/fleeting-plugin-*/README.md', { cwd: root.pathname }))(
  '%s names only switches of connector_config that there are',
  (path) => {
    expect(connectorKeys.size).toBeGreaterThan(10)
    const named = [...read(path).matchAll(/`(use_\w+)`/g)].map(([, key]) => key)
    expect(named.filter((key) => !connectorKeys.has(key))).toEqual([])
  },
)
