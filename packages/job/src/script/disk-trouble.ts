/**
 * Why nothing can be written on a machine, and how a generated script reports it: as the words after a marker's first
 * one.
 *
 * @module
 */

import { rarely } from './rarely.ts'

export type DiskTroubleKind = 'no_space' | 'low_space' | 'quota' | 'read_only' | 'permission' | 'other'

export interface DiskTrouble {
  readonly kind: DiskTroubleKind
  /** For people: `no space left in /builds (0 MB free)`. */
  readonly message: string
}

/** Words of a marker's body, for the `%s` of {@link emitMarkers}, once {@link probeDisk} has run. */
export const troubleWords: readonly string[] = ['"$rc_k"', '"$rc_i"', '"$rc_e"']

/**
 * Shell text that looks why nothing can be written in a directory, or in the nearest one above it that exists: free KiB
 * in `rc_k`, free inodes in `rc_i`, and the error of a small file, which is empty when that could be written, in
 * `rc_e`. It starts processes: for when something has failed already. `directory`: a shell word.
 */
export function probeDisk(directory: string): string {
  return `rc_p=${directory}; ${rarely(probe)}`
}

const probe = `while [ ! -d "$rc_p" ]; do case $rc_p in */*) rc_p=\${rc_p%/*}; [ "$rc_p" ] || rc_p=/ ;; *) rc_p=. ;; esac; done
rc_e=$(LC_ALL=C; export LC_ALL; exec 2>&1; cat /proc/self/stat >|"$rc_p/.probe.$$"; rm -f "$rc_p/.probe.$$")
rc_k=$(df -Pk "$rc_p" 2>/dev/null | { read -r rc_x; read -r rc_x rc_x rc_x rc_k rc_x; echo "$rc_k"; })
rc_i=$(df -Pi "$rc_p" 2>/dev/null | { read -r rc_x; read -r rc_x rc_x rc_x rc_i rc_x; echo "$rc_i"; })
rc_k=\${rc_k:--} rc_i=\${rc_i:--} rc_e=\${rc_e##*: }`

const kinds: readonly (readonly [RegExp, DiskTroubleKind])[] = [
  [/no space left/i, 'no_space'],
  [/quota/i, 'quota'],
  [/read-only/i, 'read_only'],
  [/permission denied|not permitted/i, 'permission'],
]

/**
 * Reads what {@link troubleWords} gave. Undefined when a file could be written after all. `directory`: as people know
 * it.
 */
export function readDiskTrouble(told: string, directory: string): DiskTrouble | undefined {
  const [, kib = '', inodes = '', error = ''] = /^(\S+) (\S+) (.*)$/s.exec(told) ?? []
  if (error === '') return undefined
  const least = /^min_free_space (\d+)$/.exec(error)?.[1]
  if (least !== undefined) return lowSpace(Number(kib), Number(least), directory)
  const kind = kinds.find(([pattern]) => pattern.test(error))?.[1] ?? 'other'
  const free =
    inodes === '0' ? ' (no inodes free)' : /^\d+$/.test(kib) ? ` (${Math.floor(Number(kib) / 1024)} MB free)` : ''
  switch (kind) {
    case 'no_space':
      return { kind, message: `no space left in ${directory}${free}` }
    case 'quota':
      return { kind, message: `the disk quota is used up in ${directory}${free}` }
    case 'read_only':
      return { kind, message: `the file system of ${directory} is read-only` }
    default: {
      const text = error.replaceAll(/[^\x20-\x7e]+/g, ' ').slice(0, 200)
      return { kind, message: `${directory} cannot be written: ${text}` }
    }
  }
}

/**
 * Whether what {@link troubleWords} gave is less room than there must be. Undefined where it is not, or where the
 * machine does not tell.
 */
export function readLowSpace(told: string, directory: string, minFreeKib: number): DiskTrouble | undefined {
  const [, kib] = /^(\d+) /.exec(told) ?? []
  return kib !== undefined && Number(kib) < minFreeKib ? lowSpace(Number(kib), minFreeKib, directory) : undefined
}

function lowSpace(kib: number, minFreeKib: number, directory: string): DiskTrouble {
  return {
    kind: 'low_space',
    message: `${inWords(kib)} free in ${directory}, min_free_space is ${inWords(minFreeKib)}`,
  }
}

function inWords(kib: number): string {
  return kib < 1024 ? `${kib} KB` : `${Math.floor(kib / 1024)} MB`
}
