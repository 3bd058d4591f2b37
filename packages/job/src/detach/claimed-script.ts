import { probeDisk, troubleWords } from '../script/disk-trouble.ts'
import type { JobMarker } from '../script/job-marker.ts'
import { emitMarkers } from '../script/markers.ts'
import { detachDirectory } from './detached-files.ts'
import { claimSlot, freeSlot, type SlotClaim } from './slot-file.ts'

export interface ClaimedScriptOptions {
  /** What `jobScript` made. */
  readonly script: Buffer
  /** As configured: see `BuildPathsOptions.buildsDir`. */
  readonly buildsDir: string
  readonly jobMarker: JobMarker
  readonly claim: SlotClaim
  /** That of the script's own markers. */
  readonly nonce: string
}

/**
 * Makes a generated script run only where nothing of another job may be alive in its slot. It reports by a marker that comes first: `attached`, and then runs; `occupied` and the other job's marker, or `unwritable`, with what
 * `readDiskTrouble` reads, and does not.
 */
export function claimedScript({ script, buildsDir, jobMarker, claim, nonce }: ClaimedScriptOptions): Buffer {
  const directory = detachDirectory(buildsDir)
  const prelude = `{ set -- "$PWD"; [ -d ${directory} ] || mkdir -p -m 700 ${directory} 2>/dev/null
${claimSlot(buildsDir, jobMarker, claim)}
case $rc_b in
  '') ${emitMarkers(nonce, ['attached'])} ;;
  !) ${probeDisk(directory)}; ${emitMarkers(nonce, ['unwritable %s %s %s'], troubleWords)}; exit 0 ;;
  *) ${emitMarkers(nonce, ['occupied %s'], ['"$rc_b"'])}; exit 0 ;;
esac
unset rc_b rc_l
`
  return Buffer.concat([
    Buffer.from(prelude),
    script,
    Buffer.from(`case $rc_s in swept) ${freeSlot(buildsDir, claim)} ;; esac\nexit 0\n}\n`),
  ])
}
