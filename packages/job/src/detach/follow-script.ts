import { emitMarkers } from '../script/markers.ts'
import { isAlive, readStat } from '../script/process-stat.ts'
import { type DetachedScript, detachDirectory, scriptFile } from './detached-files.ts'

export interface FollowScriptOptions extends DetachedScript {
  /** Bytes of the script's output that are known. */
  readonly offset: number
  /** Unguessable, of letters and digits: begins what this script says about itself. */
  readonly nonce: string
}

/**
 * A script for `sh` that passes on, as it comes, what a detached script prints from an offset on. It first prints the
 * marker `following` and how long the machine has been up, `absent` where no such script was started, or `torn` where
 * one was about to be, and its file is not whole (yet); then it ends. When the shell of the script is gone, it says
 * `NONCE gone STATUS SWEEP UPTIME` on its errors, as the script's last marker would have told it, or
 * `NONCE gone killed`. It goes on until its standard input ends, which is when its channel does: nothing is left of it
 * then.
 *
 * A connection that is dead without the machine knowing holds up what writes to it, once its window is full. So the SSH
 * server's process for the connection under which the script was started is ended first: whoever asks for this script
 * has given that connection up. With `tail` of GNU nothing is polled while the script prints; busybox's looks once a
 * second.
 */
export function followScript(options: FollowScriptOptions): Buffer {
  const { nonce, offset } = options
  return Buffer.from(`{ exec 3>&2 2>/dev/null; set -- "$PWD"
rc_f=${scriptFile(options)}
${readStat}
${isAlive}
rc_size() { rc_n=$(wc -c <"$rc_o"); [ \${rc_n:-0} -ge $rc_at ]; }
if { read -r rc_l && read -r rc_o rc_at; } <"$rc_f"; then
  rc_t=; read -r rc_t rc_x </proc/uptime
  ${emitMarkers(nonce, ['following %s'], ['"$rc_t"'])}
  rc_o=${detachDirectory(options.buildsDir)}/$rc_o.out; rc_at=$((rc_at + ${offset}))
  rc_own=$rc_l
  if rc_alive "$rc_own" && [ $rc_parent -gt 1 ]; then
    rc_stat $rc_parent
    case $rc_s in *' (sshd'* | *' (dropbear'*) kill -KILL $rc_parent ;; esac
  fi
  # Not \`:\`: where that cannot open a file, some shells end.
  true >>"$rc_o"
  # What was passed on just before the connection was lost is written to the file just after.
  rc_i=0; until rc_size || [ $rc_i -ge 40 ]; do sleep 0.05 || sleep 1; rc_i=$((rc_i + 1)); done
  rc_tail=
  if rc_size; then tail -c +$((rc_at + 1)) -f "$rc_o" & rc_tail=$!; fi
  { while rc_alive "$rc_own"; do sleep 1; done; { read -r rc_l; read -r rc_l; read -r rc_l || rc_l=killed; } <"$rc_f"; echo "${nonce} gone $rc_l" >&3; } &
  rc_watch=$!
  read -r rc_x
  kill $rc_tail $rc_watch
elif [ -e "$rc_f" ]; then
  ${emitMarkers(nonce, ['torn'])}
else
  ${emitMarkers(nonce, ['absent'])}
fi
}
`)
}
