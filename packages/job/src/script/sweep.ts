import type { ShellName } from '../job-environment.ts'
import { type JobMarker, markerAssignment, residentLimit } from './job-marker.ts'

/**
 * Ends what a job left running on a Linux machine: shell text that needs nothing but a POSIX shell, `grep`, `head`, `tr` and `sleep`.
 *
 * A process is the job's when it has the job's limit of resident memory, or the job's variable in its environment, or when its parent is the job's. It is
 * never told by its user: slots share one.
 *
 * @module
 */

export interface SweepOptions {
  readonly jobMarker: JobMarker
  /** How long processes have from `TERM` to `KILL`. */
  readonly graceMs: number
}

/** How long processes may take to go after `KILL`, before the sweep gives up. */
export const killLimitMs = 5000

/** Reads `/proc/$1/stat` into `rc_s`, empty when there is no such process. A process's name may hold line ends. */
const readStat = 'rc_stat() { rc_s=; while IFS= read -r rc_l || [ "$rc_l" ]; do rc_s="$rc_s $rc_l"; done <"/proc/$1/stat"; }'

/**
 * Shell text that defines `rc_quick`: true when it is sure that no process of the job is left besides this shell. It starts no process and looks only at those that are younger
 * than the shell, which is sound while process ids did not wrap; after two seconds they might have, so then it is never sure. Neither is it while there is a young
 * process with a small limit of resident memory: it may be one of the job's that lowered its own.
 */
export function quickCheck(jobMarker: JobMarker, shell: ShellName): string {
  const limit = residentLimit(jobMarker).bytes
  const isYounger = shell === 'bash' ? '[[ $rc_p -gt $$ ]]' : '[ $rc_p -gt $$ ]'
  return `${readStat}
rc_quick() {
  for rc_x in 1 2 3 4; do
    rc_stat $$; read -r rc_u rc_x </proc/uptime; read -r rc_x rc_x rc_x rc_x rc_last </proc/loadavg
    case $rc_s in *" ${limit} "*) ;; *) return 1 ;; esac
    set -- \${rc_s##*) }
    set -- $((\${rc_u%.*}\${rc_u#*.} - \${20}))
    [ $1 -ge 0 ] && [ $1 -lt 200 ] && [ $rc_last -ge $$ ] || return 1
    rc_gone=
    for rc_p in /proc/[0-9]*; do
      rc_p=\${rc_p#/proc/}
      ${isYounger} || continue
      rc_stat $rc_p
      set -- \${rc_s##*) }
      case \${23} in '') rc_gone=1 ;; ${limit}) return 1 ;; ????????????????*) ;; *) return 1 ;; esac
    done
    [ "$rc_gone" ] || return 0
  done
  return 1
}`
}

/**
 * Shell text that defines `rc_sweep`: ends all processes of the job but this shell (\`TERM\`, after the grace \`KILL\`) and looks until none is left; false when
 * some could not be ended, with their ids in `rc_found`, or when it cannot see processes here.
 */
export function sweep({ jobMarker, graceMs }: SweepOptions): string {
  const variable = markerAssignment(jobMarker)
  const limit = residentLimit(jobMarker).bytes
  return `${readStat}
rc_marked() {
  rc_m=$(grep -lsF ' ${limit} ' /proc/[0-9]*/stat)
  # \`head\` names each file before its content; \`grep\` itself may stop at a NUL.
  for rc_x in $(head -c 262144 /proc/[0-9]*/environ | tr '\\0' '\\n' | grep -e '^==> /proc/' -e '^${variable}$'); do
    case $rc_x in /proc/*/environ) rc_p=$rc_x ;; ${variable}) rc_m="$rc_m $rc_p" ;; esac
  done
}
rc_add() {
  rc_p=\${1#/proc/} rc_p=\${rc_p%/*}
  case " $$$rc_found" in *" $rc_p "*) return ;; esac
  rc_stat $rc_p
  set -- \${rc_s##*) }
  case $1 in '' | Z | X) return ;; esac
  case $rc_found in *" $2 "*) ;; *) [ "$rc_closing" ] && return ;; esac
  rc_more=1 rc_found="$rc_found$rc_p " rc_groups="$rc_groups$3 "
}
rc_scan() {
  rc_found=' ' rc_groups=' ' rc_more= rc_closing=
  rc_marked
  for rc_x in $rc_m; do rc_add $rc_x; done
  rc_closing=1
  while [ "$rc_more" ]; do
    rc_more=
    for rc_x in /proc/[0-9]*/; do rc_add $rc_x; done
  done
  [ "$rc_found" = ' ' ]
}
rc_now() { read -r rc_u rc_x </proc/uptime; rc_now=\${rc_u%.*}\${rc_u#*.}; }
rc_sweep() {
  rc_stat $$; [ "$rc_s" ] || return 1
  set -- \${rc_s##*) }
  rc_own=$3 rc_told=' '
  rc_now; rc_start=$rc_now
  # Twice: a process may have been replaced by its child while we looked.
  until rc_scan && rc_scan; do
    rc_now; rc_age=$((rc_now - rc_start))
    if [ $rc_age -ge ${Math.ceil((graceMs + killLimitMs) / 10)} ]; then return 1; fi
    if [ $rc_age -ge ${Math.ceil(graceMs / 10)} ]; then
      for rc_g in $rc_groups; do [ $rc_g = $rc_own ] || kill -KILL -- -$rc_g; done
      kill -KILL $rc_found
    else
      for rc_p in $rc_found; do case $rc_told in *" $rc_p "*) ;; *) rc_told="$rc_told$rc_p "; kill -TERM $rc_p; kill -CONT $rc_p ;; esac; done
    fi
    sleep 0.02 || sleep 1
  done
}`
}

/** A whole script for `sh` on a channel of its own: prints `clean`, or `left` and the ids of the processes that could not be ended. */
export function killScript(options: SweepOptions): string {
  return `{ exec 2>/dev/null
${sweep(options)}
if rc_sweep; then echo clean; else echo left $rc_found; fi
}
`
}
