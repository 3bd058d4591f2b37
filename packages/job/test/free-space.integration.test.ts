import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { expect, test } from 'vitest'
import { lookAtSpace, spaceWord } from '../src/script/free-space.ts'

const shells = [['/bin/bash'], ['/bin/dash'], ['/bin/busybox', 'sh']].filter(([file]) => existsSync(file!))
const header = 'Filesystem 1024-blocks Used Available Capacity Mounted on'

/** What `df` would say: lines. */
const answers: readonly (readonly [string, readonly string[], string])[] = [
  ['more than the least', [header, '/dev/sda1 1000 10 100 1% /builds'], '+'],
  ['less', [header, '/dev/sda1 1000 901 99 91% /builds'], '99'],
  ['none', [header, '/dev/sda1 1000 1000 0 100% /builds'], '0'],
  ['less than none, what is kept for root being used', [header, '/dev/sda1 1000 1010 -10 101% /builds'], '0'],
  ['a device whose name has spaces and digits', [header, '//nas/share 1 1000 901 99 91% /builds'], '99'],
  ['a directory like a share', [header, 'tmpfs 1000 10 500 1% /mnt/7% x'], '+'],
  ['a file system without blocks', [header, 'proc 0 0 0 - /proc'], '-'],
  ['no numbers', [header, 'what is this 9%'], '-'],
  ['nothing', [], '-'],
]

test.each(shells.flatMap((shell) => answers.map(([name, lines, word]) => ({ shell, name, lines, word }))))(
  'of 100 KiB that are wanted, df says $name: $word ($shell)',
  ({ shell, lines, word }) => {
    const df = `df() { cat <<'EOF'\n${lines.join('\n')}\nEOF\n}`
    const [file, ...options] = shell
    const script = `${df}\n${lookAtSpace('/builds', 100)}\necho ${spaceWord}`
    expect(execFileSync(file!, [...options, '-c', script], { encoding: 'utf8' })).toBe(`${word}\n`)
  },
)

test.each(shells.map((shell) => ({ shell })))(
  'the df of this machine is understood ($shell)',
  ({ shell: [file, ...options] }) => {
    const ask = (least: number): string =>
      execFileSync(file!, [...options, '-c', `${lookAtSpace(tmpdir(), least)}; echo ${spaceWord}`], {
        encoding: 'utf8',
      })
    expect(ask(0)).toBe('+\n')
    expect(ask(2 ** 50)).toMatch(/^\d+\n$/)
  },
)
