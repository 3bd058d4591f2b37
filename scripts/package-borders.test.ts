import { expect, test } from 'vitest'
import { crossings } from './package-borders.ts'

const file = 'packages/runner/test/jobs/a.test.ts'

test.each([
  ["import { a } from '../../../job/test/a.ts'", 'packages/job'],
  ["export type { A } from '../../../job/src/a.ts'", 'packages/job'],
  ["const { a } = await import('../../../job/src/index.ts')", 'packages/job'],
  ["import '../../../job/src/a.ts'", 'packages/job'],
  ["export * from '../../../job/src/a.ts'", 'packages/job'],
  ["type A = import('../../../job/src/a.ts').A", 'packages/job'],
  ["import { a } from '../../../../scripts/a.ts'", 'the root'],
])('a relative import that leaves its package is told with its line: %s', (line, target) => {
  expect(crossings(file, `\n${line}\n`)).toEqual([
    expect.stringMatching(new RegExp(`^${file}:2: '.*' leaves the package; import from ${target} by name$`)),
  ])
})

test('an import of several lines is told too, with the line that names the file', () => {
  expect(crossings(file, "import {\n  a,\n} from '../../../job/src/a.ts'\n")).toEqual([
    expect.stringContaining(`${file}:3: `),
  ])
})

test('a root file that imports a file of a package is told', () => {
  expect(crossings('scripts/a.ts', "import { a } from '../packages/job/src/a.ts'")).toHaveLength(1)
})

test.each(['src/a', 'test/a.ts', 'dist/index.js', 'src'])('an import of @runner-core/job/%s is told', (path) => {
  expect(crossings(file, `import { a } from '@runner-core/job/${path}'`)).toEqual([
    `${file}:1: '@runner-core/job/${path}' is inside another package; import one of its entries`,
  ])
})

test('imports within the package and of entries are not told', () => {
  const source = [
    "import { a } from './a.ts'",
    "import { b } from '../../src/b.ts'",
    "import { c } from '@runner-core/job'",
    "import { d } from '@runner-core/testkit/ssh/openssh-server'",
    "import { e } from 'node:fs'",
    'const text = "import { f } from \'../../../job/src/f.ts\'"',
  ]
  expect(crossings(file, source.join('\n'))).toEqual([])
})
