import type { ShellName } from '../job-environment.ts'
import { type JobMarker, residentLimit } from './job-marker.ts'
import { readStat } from './process-stat.ts'

/**
 * Shell text that defines `rc_quick`: true when it is sure that no process of the job is left besides this shell. It
 * leaves how long the machine has been up in `rc_t`. It starts no process, and looks only at those that were started
 * after the shell: ids are given out in order, round and round, so theirs lie between the shell's and the last one
 * given out. That is sound while they did not go once round; a job of two seconds or more is never sure. All that lives
 * at one moment is listed; where one of it is gone before it was looked at, what was started since is looked at too.
 * Neither is one beside which a young process with a small limit of resident memory runs: it may be the job's own, and
 * have lowered its limit.
 *
 * What both ids begin with (`rc_x`), all ids between them begin with; those that were given out meanwhile may begin
 * otherwise, so the last one is read again. In a further round only ids beyond `rc_last` are looked at:
 * only what was gone before it was looked at may have left something, and that is younger. The text has no comments
 * of its own, since each job's shell would read them.
 */
export function quickCheck(jobMarker: JobMarker, shell: ShellName): string {
  const limit = residentLimit(jobMarker).bytes
  const [open, close] = shell === 'bash' ? ['[[', ']]'] : ['[', ']']
  return `${readStat}
rc_quick() {
  rc_own=$$; rc_from=$$
  for rc_x in 1 2 3 4 5 6; do
    rc_stat $rc_own; read -r rc_t rc_x </proc/uptime; read -r rc_x rc_x rc_x rc_x rc_last </proc/loadavg
    set -- \${rc_s##*) }
    [ "\${23}" = ${limit} ] && set -- $((\${rc_t%.*}\${rc_t#*.} - \${20})) && [ $1 -ge 0 ] && [ $1 -lt 200 ] && [ $rc_last -ge $rc_from ] || return 1
    rc_x=$rc_from; while [ "\${rc_last#"$rc_x"}" = $rc_last ] && [ $rc_x ]; do rc_x=\${rc_x%?}; done
    [ \${#rc_last} = \${#rc_from} ] || rc_x=
    rc_gone=
    set -- /proc/$rc_x[0-9]*
    read -r rc_u rc_u rc_u rc_u rc_u </proc/loadavg; case \${#rc_u}$rc_u in \${#rc_last}$rc_x*) [ $rc_u -ge $rc_last ] || rc_gone=1 ;; *) rc_gone=1 ;; esac
    for rc_p do
      rc_p=\${rc_p#/proc/}
      ${open} $rc_p -gt $rc_from ${close} && ${open} $rc_p -le $rc_u ${close} || continue
      rc_stat $rc_p
      set -- \${rc_s##*) }
      case \${23} in '') rc_gone=1 ;; ${limit}) return 1 ;; ????????????????*) ;; *) return 1 ;; esac
    done
    [ "$rc_gone" ] || return 0
    rc_from=$rc_last
  done
  return 1
}`
}
