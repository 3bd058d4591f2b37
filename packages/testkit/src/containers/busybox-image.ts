import { execFileSync, spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Whether an Engine answers and there is a busybox to make images of. */
export const hasEngine: boolean =
  existsSync('/bin/busybox') && spawnSync('docker', ['version'], { stdio: 'ignore', timeout: 20_000 }).status === 0

export const busyboxImage = 'runner-core-busybox:1'

/** Makes an image of nothing but this machine's busybox, with all its applets, unless it is there. */
export function makeBusyboxImage(): void {
  if (spawnSync('docker', ['image', 'inspect', busyboxImage], { stdio: 'ignore' }).status === 0) return
  const root = mkdtempSync(join(tmpdir(), 'runner-core-busybox-'))
  try {
    for (const name of ['bin', 'etc', 'tmp']) mkdirSync(join(root, name))
    copyFileSync('/bin/busybox', join(root, 'bin/busybox'))
    const applets = execFileSync('/bin/busybox', ['--list']).toString().trim().split('\n')
    for (const applet of applets) if (applet !== 'busybox') symlinkSync('busybox', join(root, 'bin', applet))
    const archive = execFileSync('tar', ['-C', root, '-c', '.'], { maxBuffer: 64 * 1024 * 1024 })
    execFileSync('docker', ['import', '-', busyboxImage], { input: archive })
  } finally {
    rmSync(root, { recursive: true })
  }
}
