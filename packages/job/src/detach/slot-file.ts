import { probeDisk } from '../script/disk-trouble.ts'
import { freeKib } from '../script/free-space.ts'
import type { JobMarker } from '../script/job-marker.ts'
import { ownPath } from '../script/own-path.ts'
import { isAlive, readStat } from '../script/process-stat.ts'
import { detachDirectory, makeDetachDirectory } from './detached-files.ts'

/**
 * Who uses a slot of a machine, as the machine itself knows it: a file for each slot names the job whose processes may
 * be alive there. It is written by the command that starts a script, and made to begin with `-` by that script once it
 * has proven that it left nothing, and by the kill script once nothing is left. It is written over, never truncated,
 * which costs less, and keeps its block where the disk is full. So no script starts beside what another one left,
 * whichever manager starts it.
 */
export interface SlotClaim {
  /**
   * Managers that use the slots of an instance one after the other have the same; others have files of their own.
   * Letters and digits.
   */
  readonly owner: string
  readonly slot: number
  /** Tells managers of one owner apart; the same after a restart. Letters and digits. */
  readonly manager: string
  /** Of this process of the manager. Letters and digits. */
  readonly run: string
}

/** What all files of an owner's slots begin with, as a shell word. */
function slotFiles(buildsDir: string, owner: string): string {
  return `${detachDirectory(buildsDir)}/slot.${owner}`
}

/** Needs the machine's name in `rc_h`: machines may share a home. */
function slotFile(buildsDir: string, { owner, slot }: Pick<SlotClaim, 'owner' | 'slot'>): string {
  return `${slotFiles(buildsDir, owner)}.${slot}."$rc_h"`
}

const readHost = 'read -r rc_h </proc/sys/kernel/hostname'

/**
 * Shell text that claims a slot for a job. It leaves in `rc_b` nothing where the slot was free or the job's own, the
 * other job's marker where it is not, and `!` where that cannot be written. It starts no process, and leaves the
 * shell's line of `/proc/PID/stat` in `rc_l`, and the slot's file for {@link freeSlot}. The directory exists
 * (`detachDirectory`). A machine without `/proc` has no claims. What it prints on its errors is to be ignored.
 */
export function claimSlot(buildsDir: string, { value }: JobMarker, claim: SlotClaim): string {
  return `rc_b= rc_l= rc_slot=; if ${readHost} && read -r rc_l </proc/$$/stat; then
  rc_slot=${slotFile(buildsDir, claim)}; rc_m=
  read -r rc_m rc_x <"$rc_slot"
  case $rc_m in '' | - | ${value}) printf '%s\\n' '${value} ${claim.manager} ${claim.run}' "$rc_l" 1<>"$rc_slot" || rc_b=! ;; *) rc_b=$rc_m ;; esac
  unset rc_m rc_x rc_h
fi`
}

/** Variable that a job's lines should not see. */
export const hideSlot = 'rc_slot'

/**
 * Shell text that frees the slot that a script claimed, of whose job nothing is left but this shell. What it prints
 * on its errors is to be ignored.
 */
export const freeSlot = 'if [ "$rc_slot" ]; then echo - 1<>"$rc_slot"; fi'

/** Shell text that frees the slots of a job of which nothing is left. `$1`: the login's directory. */
export function freeSlotsOf(
  { value }: JobMarker,
  { buildsDir, owner }: { readonly buildsDir: string; readonly owner: string },
): string {
  return `for rc_f in ${slotFiles(buildsDir, owner)}.*; do rc_m=; read -r rc_m rc_x <"$rc_f"; [ "$rc_m" != ${value} ] || echo - 1<>"$rc_f"; done`
}

/** What a machine says of one of an owner's slots that is not free. */
export interface HeldSlot {
  readonly slot: number
  /** Value of the job's marker. */
  readonly marker: string
  readonly manager: string
  readonly run: string
  /**
   * Its script's shell. `connected`: it lives, and so does the SSH server's process for the connection on which it was
   * started.
   */
  readonly shell: 'gone' | 'alive' | 'connected'
}

export interface SlotReport {
  readonly held: readonly HeldSlot[]
  /** For `readDiskTrouble` and `readLowSpace`. */
  readonly disk: string
}

/**
 * A script for `sh` that reports which slots of an owner are not free, and whether files can be written. For
 * {@link readSlotReport}.
 */
export function slotReportScript(buildsDir: string, owner: string): Buffer {
  const directory = detachDirectory(buildsDir)
  return Buffer.from(`{ exec 2>/dev/null; ${ownPath}; set -- "$PWD"; ${readHost}
${readStat}
${isAlive}
for rc_f in ${slotFiles(buildsDir, owner)}.*."$rc_h"; do
  rc_m= rc_o=; { read -r rc_m rc_g rc_x; read -r rc_o; } <"$rc_f"
  case $rc_m in '' | -) continue ;; esac
  rc_n=\${rc_f##*/slot.${owner}.}; rc_c=gone
  if rc_alive "$rc_o"; then
    rc_c=alive
    if [ $rc_parent -gt 1 ]; then rc_stat $rc_parent; case $rc_s in *' (sshd'* | *' (dropbear'*) rc_c=connected ;; esac; fi
  fi
  echo "held \${rc_n%%.*} $rc_m $rc_g $rc_x $rc_c"
done
${makeDetachDirectory(buildsDir)}
${probeDisk(directory)}
rc_k=$(${freeKib('"$rc_p"')})
echo "disk \${rc_k:--} $rc_i $rc_e"
echo done
}
`)
}

/** Undefined while it is not whole. Lines that are none of the script's are ignored. */
export function readSlotReport(output: string): SlotReport | undefined {
  if (!/^done$/m.test(output)) return undefined
  const held = [
    ...output.matchAll(/^held (\d{1,6}) ([A-Za-z0-9]+) ([A-Za-z0-9]+) ([A-Za-z0-9]+) (gone|alive|connected)$/gm),
  ]
  return {
    held: held.map(([, slot, marker, manager, run, shell]) => ({
      slot: Number(slot),
      marker: marker!,
      manager: manager!,
      run: run!,
      shell: shell as HeldSlot['shell'],
    })),
    disk: /^disk (.*)$/m.exec(output)?.[1] ?? '',
  }
}
