import type { ShellName } from '../job-environment.ts'
import { type JobMarker, residentLimit } from './job-marker.ts'

/** Reads `/proc/$1/stat` into `rc_s`, empty when there is no such process. A process's name may hold line ends. */
export const readStat = 'rc_stat() { rc_s=; while IFS= read -r rc_l || [ "$rc_l" ]; do rc_s="$rc_s $rc_l"; done <"/proc/$1/stat"; }'

/**
 * Shell text that defines `rc_quick`: true when it is sure that no process of the job is left besides this shell. It starts no process, and looks only at those
 * that were started after the shell: ids are given out in order, round and round, so theirs lie between the shell's and the last one given out. That is sound
 * while they did not go once round; a job of two seconds or more is never sure. Neither is one beside which a young process with a small limit of resident memory
 * runs: it may be the job's own, and have lowered its limit. A child of the shell itself is what passes its output on (`detached-script.ts`), and ends with it: all
 * others it waits for.
 */
export function quickCheck(jobMarker: JobMarker, shell: ShellName): string {
  const limit = residentLimit(jobMarker).bytes
  const [open, close] = shell === 'bash' ? ['[[', ']]'] : ['[', ']']
  return `${readStat}
rc_quick() {
  for rc_x in 1 2 3 4; do
    rc_own=$$; rc_stat $rc_own; read -r rc_u rc_x </proc/uptime; read -r rc_x rc_x rc_x rc_x rc_last </proc/loadavg
    set -- \${rc_s##*) }
    [ "\${23}" = ${limit} ] && set -- $((\${rc_u%.*}\${rc_u#*.} - \${20})) && [ $1 -ge 0 ] && [ $1 -lt 200 ] && [ $rc_last -ge $rc_own ] || return 1
    # What both ids begin with, all ids between them begin with.
    rc_x=$rc_own; while [ "\${rc_last#"$rc_x"}" = $rc_last ] && [ $rc_x ]; do rc_x=\${rc_x%?}; done
    [ \${#rc_last} = \${#rc_own} ] || rc_x=
    rc_gone=
    for rc_p in /proc/$rc_x[0-9]*; do
      rc_p=\${rc_p#/proc/}
      ${open} $rc_p -gt $rc_own ${close} && ${open} $rc_p -le $rc_last ${close} || continue
      rc_stat $rc_p
      set -- \${rc_s##*) }
      case \${23} in '') rc_gone=1 ;; ${limit}) [ $2 = $rc_own ] || return 1 ;; ????????????????*) ;; *) return 1 ;; esac
    done
    [ "$rc_gone" ] || return 0
  done
  return 1
}`
}
