import { expect, test } from 'vitest'
import { longest, longLines, longProse } from './line-length.ts'

const filler = 'x'.repeat(longest)

test('a comment or an expression of 121 characters is too long, and its line is told', () => {
  expect(longLines('a.ts', `const a = 1\n// ${filler}\n`)).toEqual([2])
  expect(longLines('a.ts', `/**\n * ${filler}\n */\nconst a = 1\n`)).toEqual([2])
  expect(longLines('a.ts', `const a = ${'1 + '.repeat(30)}1\n`)).toEqual([1])
  expect(longLines('a.ts', `const a = ${'1 + '.repeat(27)}11\n`)).toEqual([])
})

test('one string, template or regular expression that cannot be broken may be longer', () => {
  expect(longLines('a.ts', `const a = '${filler}'\n`)).toEqual([])
  expect(longLines('a.ts', `const a = /${filler}/\n`)).toEqual([])
  expect(longLines('a.ts', `const a = \`\n${filler}${filler}\n\${1}${filler}\`\n`)).toEqual([])
})

test('beside a text that cannot be broken the rest of a line counts', () => {
  expect(longLines('a.ts', `const a = 'short' // ${filler}\n`)).toEqual([1])
})

test('of Markdown code, rows of tables and targets of links may be longer, and nothing else', () => {
  expect(longProse(`short\n- ${filler}\n`)).toEqual([2])
  expect(longProse(`| ${filler} |\n\`\`\`sh\n${filler}${filler}\n\`\`\`\n${filler}x`)).toEqual([5])
  expect(longProse(`see [there](${filler}), a file`)).toEqual([])
  expect(longProse(`see [there](${filler}), ${filler}`)).toEqual([1])
})
