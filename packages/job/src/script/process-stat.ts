/**
 * Defines `rc_stat`: reads `/proc/$1/stat` into `rc_s`, empty when there is no such process. A process's name may hold
 * line ends.
 */
export const readStat =
  'rc_stat() { rc_s=; while IFS= read -r rc_l || [ "$rc_l" ]; do rc_s="$rc_s $rc_l"; done <"/proc/$1/stat"; }'

/**
 * Defines `rc_alive`: true while the process lives whose `/proc/PID/stat` began with the line `$1`; then its parent is
 * in `rc_parent`. Needs {@link readStat}.
 */
export const isAlive = `rc_alive() {
  set -- "\${1%% *}" \${1##*) }
  rc_start=\${21}
  rc_stat "$1"; [ "$rc_s" ] || return 1
  set -- \${rc_s##*) }
  [ "\${20}" = "$rc_start" ] || return 1
  case $1 in Z | X) return 1 ;; esac
  rc_parent=$2
}`
