import { readFileSync, statSync } from 'node:fs'
import { type MachineFiles, writeMachineRecord } from '../machine-records.ts'
import { identify } from '../process-identity.ts'
import { OwnerWatch } from './owner-watch.ts'
import type { ServerReady } from './server-options.ts'

/** Looks for the owner this many times before it is given up. */
const looks = 20

/**
 * Writes down how this machine is found and reached, then looks after its owner: `end` is called once nobody has shown
 * to own the fleet for `unownedMs`, or when the record is gone, which is how a machine is ended that nobody could reach
 * yet. Resolves when the record is written.
 */
export async function outliveGroup(
  { files, unownedMs }: { readonly files: MachineFiles; readonly unownedMs: number },
  { port, hostKey }: ServerReady,
  end: () => void,
): Promise<void> {
  const watch = new OwnerWatch(unownedMs, performance.now())
  setInterval(() => {
    if (!isThere(files.record) || watch.look(read(files.owner), performance.now())) end()
  }, unownedMs / looks)
  try {
    const identity = await identify(process.pid)
    if (identity === undefined) throw new Error('this process cannot be identified')
    await writeMachineRecord(files.record, { ...identity, port, hostKey })
  } catch (error) {
    if (isThere(files.record)) throw error
    end()
  }
}

function isThere(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}
