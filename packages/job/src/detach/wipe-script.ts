import { type DetachedScript, detachDirectory, scriptFile } from './detached-files.ts'

/** Minutes after which files that nobody wrote to are nobody's: those of a manager that never came back. */
const abandonedMinutes = 24 * 60

/** What a detached script left. */
export interface DetachedLeftover extends DetachedScript {
  /**
   * Whether the connection that it was started on is gone, and so its relay: then nobody else removes what that kept.
   */
  readonly hasLostRelay: boolean
}

/**
 * A script for `sh` that removes what detached scripts left, all of one `buildsDir`, and what others abandoned a day
 * ago. It prints `wiped` at the end.
 */
export function wipeScript(leftovers: readonly [DetachedLeftover, ...DetachedLeftover[]]): Buffer {
  const directory = detachDirectory(leftovers[0].buildsDir)
  const lost = leftovers.filter(({ hasLostRelay }) => hasLostRelay)
  const remove = `rm -f ${leftovers.map(scriptFile).join(' ')}`
  // A relay may serve another job by now.
  const removeWithOutput = `rc_relay() { { read -r rc_r && read -r rc_r rc_x; } <"$1"; }
rc_lost=; for rc_f in ${lost.map(scriptFile).join(' ')}; do rc_relay "$rc_f" && rc_lost="$rc_lost $rc_r"; done
${remove}
rc_used=; for rc_f in ${directory}/*.pid; do rc_relay "$rc_f" && rc_used="$rc_used $rc_r "; done
for rc_r in $rc_lost; do case $rc_used in *" $rc_r "*) ;; *) rm -f ${directory}/$rc_r.in ${directory}/$rc_r.out ;; esac; done`
  return Buffer.from(`{ exec 2>/dev/null; set -- "$PWD"
${lost.length > 0 ? removeWithOutput : remove}
find ${directory} ! -type d ! -name 'slot.*' -mmin +${abandonedMinutes} -exec rm -f {} +
echo wiped
}
`)
}
