import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import { ExpandEffort, ShellExpandError } from './expand-effort.ts'
import { shellExpand } from './shell-expand.ts'

const variables: Readonly<Record<string, string>> = { A: 'ab/ba', V: 'v1.2.3', EMPTY: '', D: 'aüa', STAR: 'a*b' }
const lookUp = (name: string): string => variables[name] ?? ''

// What GitLab's runner, with its library (mvdan.cc/sh 3.13), made of the same. With that, 120,000 random texts were
// compared.
test.each([
  ['$A-${V}-$NONE-$A_-x', 'ab/ba-v1.2.3---x'],
  ['$. $ a$', '$. $ a$'],
  ['$$|$1|$*|$@', '|||'],
  ['\\$A \\\\ \\` \\q \\*', '$A \\ ` \\q \\*'],
  ['"$A" \'$A\'', '"ab/ba" \'ab/ba\''],
  ['${NONE:-none} ${EMPTY-$V} ${A:-x} ${NONE:-${EMPTY:-deep}}', 'none v1.2.3 ab/ba deep'],
  ['<${NONE:+x}${EMPTY+x}${A:+$V}>', '<v1.2.3>'],
  ['${A:?x}', 'ab/ba'],
  ['${#A} ${#NONE} ${#D}', '5 0 3'],
  ['${V#v} ${V#*.} ${V##*.} ${V%.*} ${V%%.*} ${V#x} ${V#}', '1.2.3 2.3 3 v1.2 v1 v1.2.3 v1.2.3'],
  ['${STAR#a\\*} ${STAR##?} ${A%/*}', 'b *b ab'],
  ['${A/b/X} ${A//b/X} ${A//b} ${A//\\//-} ${A//?\\/?/-} ${A/*/x}', 'aX/ba aX/Xa a/a ab-ba a-a x'],
  ['${V^} ${V^^} ${A,,} ${D^^}', 'V1.2.3 V1.2.3 ab/ba AÜA'],
  ['${V:1} ${V:1:3} ${V: -1} ${V:9} ${V:1:-2}', '1.2.3 1.2 3  1.2'],
  ['a\\\nb', 'ab'],
])('%j comes to %j', (text, result) => {
  expect(shellExpand(text, lookUp)).toBe(result)
})

describe('is refused, and nothing is run:', () => {
  it.each([
    '$(id)',
    '`id`',
    '$((1+1))',
    '${A',
    '${A:-x',
    '${}',
    '${1}',
    '${NONE:?is missing}',
    '${A:=x}',
    '${A=x}',
    '${A[0]}',
    '${A#[a]}',
    '${A:b}',
    '${!A}',
    '${A@Q}',
  ])('%s', (text) => {
    expect(() => shellExpand(text, lookUp)).toThrow(ShellExpandError)
  })

  it('what grows without end', () => {
    const many = (name: string): string => (name === 'X' ? 'x'.repeat(1000) : '')
    expect(() => shellExpand('$X'.repeat(100), many)).toThrow(ShellExpandError)
    expect(() => shellExpand(`\${X//x/${'y'.repeat(100)}}`, many)).toThrow(ShellExpandError)
    expect(() => shellExpand('${X#x}', () => 'x'.repeat(5000))).toThrow(ShellExpandError)
  })

  it.each([
    ['a pattern that could be found in many ways', `\${X//${'*a'.repeat(100)}b}`],
    ['a long value, looked at again and again', '${#LONG}${LONG:0:1}'.repeat(100)],
    ['what is nested deeper than anybody means it', `${'${NONE:-'.repeat(10_000)}${'}'.repeat(10_000)}`],
  ])('%s', (_name, text) => {
    const values: Readonly<Record<string, string>> = { X: 'a'.repeat(4096), LONG: 'a'.repeat(1024 * 1024) }
    expect(() => shellExpand(text, (name) => values[name] ?? '')).toThrow(ShellExpandError)
  })

  it('what takes too long together with the texts before it', () => {
    const effort = new ExpandEffort()
    const expandAll = (): void => {
      for (let text = 0; text < 10_000; text++) shellExpand('${LONG%%*b}', () => 'a'.repeat(4096), effort)
    }
    expect(expandAll).toThrow(ShellExpandError)
    expect(() => shellExpand('${V%.*}', lookUp, effort)).toThrow(ShellExpandError)
    expect(shellExpand('$V', lookUp, effort)).toBe('v1.2.3')
  })
})

test('whatever a job says, nothing else is thrown, and a pattern with many stars is done with soon', () => {
  const piece = fc.constantFrom(
    '$',
    '{',
    '}',
    'A',
    'V',
    '#',
    '%',
    '/',
    ':',
    '-',
    '+',
    '?',
    '*',
    '^',
    ',',
    '\\',
    '[',
    '1',
    '`',
    '(',
    'ü',
    '\u{1f600}',
  )
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
      try {
        expect(typeof shellExpand(pieces.join(''), lookUp)).toBe('string')
      } catch (error) {
        expect(error).toBeInstanceOf(ShellExpandError)
      }
    }),
  )
  const long = 'a'.repeat(4096)
  expect(shellExpand(`\${LONG##${'*a'.repeat(100)}b}`, () => long)).toBe(long)
})
