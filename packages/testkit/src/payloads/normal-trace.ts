import { crc32 } from 'node:zlib'
import { plainLines, withoutTimes } from './trace-reading.ts'

/** What stands for something that differs from run to run, for example a folder. */
export type Replacement = readonly [text: string, name: string]

/** A line that is longer is shortened, characters. */
const longestLine = 500
/** Of more lines that are alike only the first and the last few are kept. */
const maxLines = 200
const keptLines = 10

/** The lines of a log as they are read, without what differs from run to run: times, ids, addresses, versions. */
export function normalLines(trace: string, replacements: readonly Replacement[]): readonly string[] {
  const named = replacements.reduce(
    (text, [from, to]) => (from === '' ? text : text.replaceAll(from, to)),
    withoutTimes(plainLines(trace)).join('\n'),
  )
  const lines = patterns
    .reduce((text, [pattern, to]) => text.replaceAll(pattern, to), named)
    .split('\n')
    .map(shortened)
  if (lines.length <= maxLines) return lines
  const left = lines.slice(keptLines * 3, -keptLines)
  return [
    ...lines.slice(0, keptLines * 3),
    `[${left.length} lines, ${crc32(left.join('\n')).toString(16)}]`,
    ...lines.slice(-keptLines),
  ]
}

const patterns: readonly (readonly [RegExp, string])[] = [
  [/^Running with .*$/gm, 'Running with RUNNER'],
  [/^ {2}on \S.*$/gm, '  on RUNNER'],
  // Whether the machine is there already is chance.
  [/^Waiting for a slot .*\n/gm, ''],
  [/\bsha256:[0-9a-f]{64}\b/g, 'DIGEST'],
  [/\brunner-(?:TOKEN[\w-]?|[\w-]{8,9})-project-/g, 'runner-TOKEN-project-'],
  [/-concurrent-0-[0-9a-f]{16}-/g, '-concurrent-0-HASH-'],
  [/\btoken=\S+/g, 'token=TOKEN'],
  [/\(\w+\.go:\d+:\d+s\)/g, '(AT)'],
  [/\b[0-9a-f]{40}\b/g, 'COMMIT'],
  [/127\.0\.0\.1:\d+/g, 'ADDRESS'],
  [/\(\d+\)\.\.\.$/gm, '(ID)...'],
  [/\bid=\d+/g, 'id=ID'],
  [/\b\d+ bytes\b/g, 'N bytes'],
  [/\b\d+(?:\.\d+)? ?(?:[kKM]i?B)\b/g, 'SIZE'],
  [/\bcorrelation_id=\S+/g, 'correlation_id=ID'],
  [/\bretrying in [\d.]+ ?m?s\b/g, 'retrying in DELAY'],
  [/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'TIME'],
  // How far it comes until it is stopped is chance.
  [/^tick-\d+(?:\ntick-\d+)*$/gm, 'tick…'],
]

function shortened(line: string): string {
  return line.length <= longestLine
    ? line
    : `${line.slice(0, 20)}[${line.length} characters, ${crc32(line).toString(16)}]`
}
