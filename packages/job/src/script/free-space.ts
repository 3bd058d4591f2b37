/**
 * Shell text that prints the free KiB of a directory's file system, and nothing where `df` says what is not understood.
 * The name of a device may have spaces: what stands before the share is it. It starts processes. `directory`: a shell
 * word.
 */
export function freeKib(directory: string): string {
  return `LC_ALL=C df -P -k ${directory} 2>/dev/null | { set -f; rc_k= rc_l=; read -r rc_x; read -r rc_l
for rc_x in $rc_l; do case $rc_x in ([0-9]*%) case $rc_k in (-[0-9]*) rc_k=0 ;; ('' | *[!0-9]*) break ;; esac; echo "$rc_k"; break ;; esac; rc_k=$rc_x; done; }`
}

/**
 * Shell text that leaves in `rc_y` the free KiB of a directory's file system where that is less than the least, `-`
 * where it cannot be told, and else nothing. See {@link freeKib}.
 */
export function lookAtSpace(directory: string, minFreeKib: number): string {
  return `rc_y=$(${freeKib(directory)}); case $rc_y in '') rc_y=- ;; *) [ "$rc_y" -lt ${minFreeKib} ] 2>/dev/null || rc_y= ;; esac`
}

/** A word for `%s` after {@link lookAtSpace}: `-` where nothing could be told, `+` where there is room. */
export const spaceWord = '"${rc_y:-+}"'

/** Body and words of a marker that {@link readDiskTrouble} reads, where {@link lookAtSpace} found too little. */
export function lowSpaceMarker(minFreeKib: number): readonly [bodies: readonly string[], words: readonly string[]] {
  return [[`unwritable %s - min_free_space ${minFreeKib}`], ['"$rc_y"']]
}
