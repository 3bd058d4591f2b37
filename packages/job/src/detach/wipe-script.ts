import { type DetachedScript, detachDirectory, scriptFile } from './detached-files.ts'

/** Minutes after which files that nobody wrote to are nobody's: those of a manager that never came back. */
const abandonedMinutes = 24 * 60

/** What a detached script left. */
export interface DetachedLeftover extends DetachedScript {
  /** Whether the connection that it was started on is gone, and so its relay: then nobody else removes what that kept. */
  readonly hasLostRelay: boolean
}

/** A script for `sh` that removes what detached scripts left, all of one `buildsDir`, and what others abandoned a day ago. It prints `wiped` at the end. */
export function wipeScript(leftovers: readonly [DetachedLeftover, ...DetachedLeftover[]]): Buffer {
  const directory = detachDirectory(leftovers[0].buildsDir)
  const lost = leftovers.filter(({ hasLostRelay }) => hasLostRelay)
  const removeOutput = `for rc_f in ${lost.map(scriptFile).join(' ')}; do
  if { read -r rc_x && read -r rc_x rc_y; } <"$rc_f"; then rm -f ${directory}/"$rc_x".in ${directory}/"$rc_x".out; fi
done
`
  return Buffer.from(`{ exec 2>/dev/null; set -- "$PWD"
${lost.length > 0 ? removeOutput : ''}rm -f ${leftovers.map(scriptFile).join(' ')}
find ${directory} ! -type d -mmin +${abandonedMinutes} -exec rm -f {} +
echo wiped
}
`)
}
