import { readdirSync, readFileSync } from 'node:fs'

/** Ids of the processes of this machine with `text` on their command line, as `/proc` shows it, zombies excepted. */
export function processesWith(text: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((id) => {
      try {
        return readFileSync(`/proc/${id}/cmdline`, 'utf8').replaceAll('\0', ' ').includes(text)
      } catch {
        return false
      }
    })
    .map(Number)
}

let count = 0

/**
 * A length of sleep, in seconds, that no other process of this machine sleeps: finds the `sleep` again that was given
 * it.
 */
export function uniqueSleep(): string {
  return `${1000 + count++}.${process.pid}${String(process.hrtime.bigint()).slice(-6)}`
}
