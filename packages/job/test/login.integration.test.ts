import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type LoginScriptOptions, loginScript } from '../src/login/login-script.ts'
import { type LoginReport, loginChanges, readLoginReport } from '../src/login/login-state.ts'
import { fixedPath } from '../src/script/own-path.ts'
import { localShells } from './local-shells.ts'

/** A crontab and a queue of `at` that are files, so that the machine's own are left alone. */
const programs = {
  crontab: 'case $1 in -l) cat "$TABLE" ;; -r) rm "$TABLE" ;; *) cp "$1" "$TABLE" ;; esac',
  atq: 'cat "$QUEUE"',
  atrm: 'for job; do grep -v "^$job" "$QUEUE" >"$QUEUE.new"; mv "$QUEUE.new" "$QUEUE"; done',
}

describe.each(localShells.filter(({ shell }) => shell === 'sh'))(
  'what a login keeps, in $name',
  ({ name: shell, sh = '/bin/sh' }) => {
    // It takes its own programs before those of `PATH`.
    const ownCrontab = shell.includes('busybox')
    let root: string
    let home: string
    beforeEach(() => {
      root = mkdtempSync(join(tmpdir(), 'runner-core-login-'))
      home = join(root, 'home')
      for (const directory of ['bin', 'home']) mkdirSync(join(root, directory))
      for (const [name, text] of Object.entries(programs)) {
        writeFileSync(join(root, 'bin', name), `#!/bin/sh\n${text}\n`)
        chmodSync(join(root, 'bin', name), 0o755)
      }
      put('.bashrc', 'image\n')
      put('.ssh/authorized_keys', 'key\n')
    })
    afterEach(() => rmSync(root, { recursive: true }))

    const put = (name: string, content: string): void => {
      mkdirSync(dirname(join(home, name)), { recursive: true })
      writeFileSync(join(home, name), content)
    }
    const read = (name: string): string | undefined =>
      existsSync(join(home, name)) ? readFileSync(join(home, name), 'utf8') : undefined
    const look = (options: Partial<LoginScriptOptions> = {}): LoginReport => {
      const input = loginScript({ nonce: 'n0nce', key: 'k', path: `${join(root, 'bin')}:${fixedPath}`, ...options })
      const env = {
        SSH_CONNECTION: '192.0.2.1 1 192.0.2.1 22',
        TABLE: join(root, 'table'),
        QUEUE: join(root, 'queue'),
        PATH: fixedPath,
      }
      const { stdout } = spawnSync(sh, sh.endsWith('busybox') ? ['sh'] : [], {
        cwd: home,
        env,
        input,
        encoding: 'utf8',
      })
      const report = readLoginReport(stdout, 'n0nce')
      if (report === undefined) throw new Error(`no report: ${stdout}`)
      return report
    }

    test('is the same while nothing is changed', () => {
      const first = look({ keeps: true })
      expect(loginChanges(first, look())).toEqual([])
      expect([...first.parts.keys()]).toEqual(['file .bashrc', 'file .ssh/authorized_keys', 'odd'])
    })

    test.each([
      ['a file that was changed', '.bashrc', 'evil\n', 'image\n'],
      ['a file that is new', '.zshenv', 'evil\n', undefined],
      ['what sshd runs', '.ssh/rc', 'evil\n', undefined],
      ['a unit', '.config/systemd/user/evil.service', 'evil\n', undefined],
      ['what pip reads', '.config/pip/pip.conf', 'evil\n', undefined],
    ])('is put back: %s', (_, name, content, before) => {
      const first = look({ keeps: true })
      put(name, content)
      const changes = loginChanges(first, look())
      expect(changes.map(({ part }) => part)).toEqual([`file ${name}`])
      expect(loginChanges(first, look({ restores: changes }))).toEqual([])
      expect(read(name)).toBe(before)
    })

    test('is put back where a file is gone, or a link in its place', () => {
      const first = look({ keeps: true })
      rmSync(join(home, '.bashrc'))
      symlinkSync(join(root, 'elsewhere'), join(home, '.bashrc'))
      rmSync(join(home, '.ssh'), { recursive: true })
      expect(loginChanges(first, look({ restores: loginChanges(first, look()) }))).toEqual([])
      expect([read('.bashrc'), read('.ssh/authorized_keys')]).toEqual(['image\n', 'key\n'])
      expect(existsSync(join(root, 'elsewhere'))).toBe(false)
    })

    test.skipIf(ownCrontab)('has the crontab and the queue of at that it had', () => {
      writeFileSync(join(root, 'table'), '# the image’s\n')
      writeFileSync(join(root, 'queue'), '7\tof the image\n')
      const first = look({ keeps: true })
      writeFileSync(join(root, 'table'), '* * * * * evil\n')
      writeFileSync(join(root, 'queue'), '7\tof the image\n8\tevil\n')
      const changes = loginChanges(first, look())
      expect(changes.map(({ part }) => part)).toEqual(['at 8', 'crontab'])
      expect(loginChanges(first, look({ restores: changes }))).toEqual([])
      expect(readFileSync(join(root, 'table'), 'utf8')).toBe('# the image’s\n')
    })

    test.skipIf(ownCrontab)('has no crontab where it had none', () => {
      const first = look({ keeps: true })
      writeFileSync(join(root, 'table'), '* * * * * evil\n')
      look({ restores: loginChanges(first, look()) })
      expect(existsSync(join(root, 'table'))).toBe(false)
    })

    test('is not believed to be the same because of copies that were changed', () => {
      const first = look({ keeps: true })
      put('.bashrc', 'evil\n')
      spawnSync('tar', ['-cf', join(home, '.runner-core/k/login.tar'), '.bashrc'], { cwd: home })
      expect(loginChanges(first, look({ restores: loginChanges(first, look()) })).map(({ part }) => part)).toEqual([
        'file .bashrc',
      ])
    })

    test('is not told by what a file is called, or a link leads to', () => {
      const forged = 'x\nlogin n0nce ends\npart file .bashrc\tforged'
      const first = look({ keeps: true })
      symlinkSync(forged, join(home, '.ssh/link'))
      writeFileSync(join(home, 'x\npart file .bashrc\tforged'), '')
      const now = look()
      expect(now.parts.get('file .bashrc')).toBe(first.parts.get('file .bashrc'))
      expect(loginChanges(first, now).map(({ part }) => part)).toEqual(['link .ssh/link'])
    })

    test('gives a job a home: copies of settings, links to tools', () => {
      put('.gitconfig', 'image\n')
      put('.cargo/bin/cargo', 'tool\n')
      const { names } = look({ keeps: true })
      put('.npmrc', 'planted\n')
      const report = look({ home: { marker: 'm1', names, isAlone: true } })
      expect(report.hasHome).toBe(true)
      const own = '.runner-core/home.m1'
      expect([read(`${own}/.gitconfig`), read(`${own}/.cargo/bin/cargo`), read(`${own}/.npmrc`)]).toEqual([
        'image\n',
        'tool\n',
        undefined,
      ])
      writeFileSync(join(home, own, '.gitconfig'), 'mine\n')
      expect(read('.gitconfig')).toBe('image\n')
      look({ home: { marker: 'm2', names, isAlone: true } })
      expect(existsSync(join(home, own))).toBe(false)
    })
  },
)
