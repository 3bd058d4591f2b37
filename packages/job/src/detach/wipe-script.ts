import { type DetachedScript, detachDirectory, detachedFile, detachedSuffixes } from './detached-files.ts'

/** Minutes after which files that nobody wrote to are nobody's: those of a manager that never came back. */
const abandonedMinutes = 24 * 60

/** A script for `sh` that removes what detached scripts left, all of one `buildsDir`, and what others abandoned a day ago. It prints `wiped` at the end. */
export function wipeScript(scripts: readonly [DetachedScript, ...DetachedScript[]]): Buffer {
  const files = scripts.flatMap((script) => detachedSuffixes.map((suffix) => `${detachedFile(script)}.${suffix}`))
  return Buffer.from(`{ exec 2>/dev/null; set -- "$PWD"
rm -f ${files.join(' ')}
find ${detachDirectory(scripts[0].buildsDir)} ! -type d -mmin +${abandonedMinutes} -exec rm -f {} +
echo wiped
}
`)
}
