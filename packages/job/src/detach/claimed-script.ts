import { probeDisk, troubleWords } from '../script/disk-trouble.ts'
import { lookAtSpace, lowSpaceMarker, spaceWord } from '../script/free-space.ts'
import type { JobMarker } from '../script/job-marker.ts'
import { emitMarkers } from '../script/markers.ts'
import { detachDirectory, makeDetachDirectory } from './detached-files.ts'
import { claimSlot, freeSlot, type SlotClaim } from './slot-file.ts'

export interface ClaimedScriptOptions {
  /** What `jobScript` made. */
  readonly script: Buffer
  /** As configured: see `BuildPathsOptions.buildsDir`. */
  readonly buildsDir: string
  readonly jobMarker: JobMarker
  /** The slot that it runs in. Absent: none that others would know. */
  readonly claim?: SlotClaim | undefined
  /** There must be so much room, KiB. Default: nobody looks. */
  readonly minFreeKib?: number | undefined
  /** That of the script's own markers. */
  readonly nonce: string
}

/**
 * Makes a generated script run only where nothing of another job may be alive in its slot, and where there is room. It
 * reports by a marker that comes first: `attached`, with {@link spaceWord} if it looked for room, and then runs;
 * `occupied` and the other job's marker, or `unwritable`, with what `readDiskTrouble` reads, and does not.
 */
export function claimedScript({
  script,
  buildsDir,
  jobMarker,
  claim,
  minFreeKib,
  nonce,
}: ClaimedScriptOptions): Buffer {
  const directory = detachDirectory(buildsDir)
  const looking =
    minFreeKib === undefined
      ? ''
      : `${lookAtSpace(directory, minFreeKib)}
case $rc_y in [0-9]*) ${emitMarkers(nonce, ...lowSpaceMarker(minFreeKib))}; exit 0 ;; esac
`
  const attached =
    minFreeKib === undefined ? emitMarkers(nonce, ['attached']) : emitMarkers(nonce, ['attached %s'], [spaceWord])
  const prelude = `{ set -- "$PWD"; ${makeDetachDirectory(buildsDir)}
${looking}${claim === undefined ? 'rc_b=' : `{ ${claimSlot(buildsDir, jobMarker, claim)}; } 2>/dev/null`}
case $rc_b in
  '') ${attached} ;;
  !) ${probeDisk(directory)}; ${emitMarkers(nonce, ['unwritable %s %s %s'], troubleWords)}; exit 0 ;;
  *) ${emitMarkers(nonce, ['occupied %s'], ['"$rc_b"'])}; exit 0 ;;
esac
unset rc_b rc_l rc_y
`
  return Buffer.concat([
    Buffer.from(prelude),
    script,
    Buffer.from(`${claim === undefined ? '' : `case $rc_s in swept) ${freeSlot} ;; esac\n`}exit 0\n}\n`),
  ])
}
