import { execFileSync } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** Why no {@link SmallDisk} can be made here; undefined when one can. */
export function smallDiskMissing(): string | undefined {
  return process.platform === 'linux' && process.getuid?.() === 0
    ? undefined
    : 'root is needed to mount small file systems'
}

/** A directory that is a file system of its own. */
export class SmallDisk implements Disposable {
  readonly directory: string

  constructor(directory: string, size: string) {
    this.directory = directory
    mkdirSync(directory, { recursive: true })
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', directory])
  }

  /** Leaves no room. */
  fill(): void {
    try {
      for (;;) writeFileSync(join(this.directory, 'fill'), Buffer.alloc(4096), { flag: 'a' })
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
    }
  }

  free(): void {
    rmSync(join(this.directory, 'fill'))
  }

  remount(option: 'ro' | 'rw'): void {
    execFileSync('mount', ['-o', `remount,${option}`, this.directory])
  }

  [Symbol.dispose](): void {
    execFileSync('umount', ['--lazy', this.directory])
  }
}
