import { type JobMarker, markerAssignment, residentLimit } from '../script/job-marker.ts'
import { ownPath } from '../script/own-path.ts'
import { readStat } from '../script/process-stat.ts'
import { freeSlotsOf } from './slot-file.ts'

export interface KillScriptOptions {
  readonly jobMarker: JobMarker
  /** How long processes have from `TERM` to `KILL`. */
  readonly graceMs: number
  /** The owner whose slots are freed of the job then (`SlotClaim`). Default: none are. */
  readonly slots?: { readonly buildsDir: string; readonly owner: string } | undefined
}

/** How long processes may take to go after `KILL`, before the script gives up. */
export const killLimitMs = 5000

/**
 * A script for `sh`, on a channel of its own, that ends every process of a job on a Linux machine: `TERM`, after the
 * grace `KILL`, again and again until none is left. It prints `clean`, or `left` and the ids of those that could not be
 * ended (`left` alone where it cannot see processes). It needs a POSIX shell, `grep`, `head`, `tr` and `sleep`.
 *
 * A process is the job's when it has the job's limit of resident memory, or the job's variable in its environment, or
 * when its parent is the job's. It is never told by its user: slots share one.
 *
 * What answers `KILL` with ever new children is caught by its process group: the job's processes have groups of their
 * own, since every command of a job has a session of its own.
 */
export function killScript({ jobMarker, graceMs, slots }: KillScriptOptions): string {
  const variable = markerAssignment(jobMarker)
  const limit = residentLimit(jobMarker).bytes
  return `{ exec 2>/dev/null; ${ownPath}
${readStat}
rc_marked() {
  rc_m=$(grep -lsF ' ${limit} ' /proc/[0-9]*/stat)
  # \`head\` names each file before its content; \`grep\` itself may stop at a NUL.
  for rc_x in $(head -c 262144 /proc/[0-9]*/environ | tr '\\0' '\\n' | grep -e '^==> /proc/' -e '^${variable}$'); do
    case $rc_x in /proc/*/environ) rc_p=$rc_x ;; ${variable}) rc_m="$rc_m $rc_p" ;; esac
  done
}
rc_add() {
  rc_p=\${1#/proc/} rc_p=\${rc_p%/*}
  case $rc_found in *" $rc_p "*) return ;; esac
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
rc_kill() {
  rc_stat $$; [ "$rc_s" ] || return 1
  rc_now; rc_start=$rc_now rc_told=' '
  # Twice: a process may have been replaced by its child while we looked.
  until rc_scan && rc_scan; do
    rc_now; rc_age=$((rc_now - rc_start))
    if [ $rc_age -ge ${Math.ceil((graceMs + killLimitMs) / 10)} ]; then return 1; fi
    if [ $rc_age -ge ${Math.ceil(graceMs / 10)} ]; then
      for rc_g in $rc_groups; do kill -KILL -- -$rc_g; done
      kill -KILL $rc_found
    else
      for rc_p in $rc_found; do case $rc_told in *" $rc_p "*) ;; *) rc_told="$rc_told$rc_p "; kill -TERM $rc_p; kill -CONT $rc_p ;; esac; done
    fi
    sleep 0.02 || sleep 1
  done
}
if rc_kill; then ${slots === undefined ? '' : `set -- "$PWD"; ${freeSlotsOf(jobMarker, slots)}; `}echo clean; else echo left $rc_found; fi
}
`
}
