import { probeDisk, troubleWords } from '../script/disk-trouble.ts'
import { emitMarkers } from '../script/markers.ts'
import { detachDirectory, makeDetachDirectory, relayFile } from './detached-files.ts'

export interface RelayScriptOptions {
  /** As configured: see `BuildPathsOptions.buildsDir`. */
  readonly buildsDir: string
  /** Its name: unique, of letters and digits. What it says of itself begins with it. */
  readonly relay: string
  /** Bytes of a job's output that are kept on the machine; more is only passed on. */
  readonly limitBytes: number
}

/** The line that ends a relay that nobody needs any more, on its standard input: nothing is left of it then. */
export const relayEnd = 'end\n'

/**
 * A script for `sh` that passes on what detached scripts print, and keeps it: one `tee` for all jobs of a connection,
 * one after the other, since one for each would cost as much as all else that a short job starts. It first prints the
 * marker `relay`; `attached` where the machine lacks something (`tee`, a directory of its own), `unwritable`, with what
 * `readDiskTrouble` reads, where that cannot be made.
 *
 * When its connection is gone it keeps what a script under way still prints, and ends with that; nothing is left of one
 * that no script named. The pipe is removed before it is closed here: a script that comes at that very moment either
 * has it open, and so keeps the relay, or finds none any more (`detachedScript`). `tee` loses the connection, or the
 * file where its limit of size is reached, and goes on with the other. `/dev/null` is the output that it never loses,
 * or it would end.
 */
export function relayScript({ buildsDir, relay, limitBytes }: RelayScriptOptions): Buffer {
  const directory = detachDirectory(buildsDir)
  const file = relayFile(buildsDir, relay)
  return Buffer.from(`{ trap '' HUP INT QUIT TERM PIPE XFSZ; umask 077; set -- "$PWD"
rc_r=relay
{ command -v tee && command -v mkfifo && [ -r /proc/self/stat ] || rc_r=attached
  ${makeDetachDirectory(buildsDir)} || rc_r=unwritable
  [ ! -d ${directory} ] || [ -O ${directory} ] || rc_r=attached
  case $rc_r in relay) mkfifo ${file}.in && true >${file}.out || rc_r=unwritable ;; esac
} >/dev/null 2>&1
if [ $rc_r = relay ]; then
  ${emitMarkers(relay, ['relay'])}
  exec 5<>${file}.in 4<&0
  # Whatever prints to the pipe may end: this one has it open until the connection is gone.
  ( read -r rc_l <&4; rm -f ${file}.in
    case $rc_l in end) ;; *)
      # No script that names it: none can come any more, and what it kept is nobody's.
      for rc_f in ${directory}/*.pid; do { read -r rc_l && read -r rc_l rc_x && [ "$rc_l" = ${relay} ]; } <"$rc_f" && exit; done ;;
    esac
    rm -f ${file}.out ) >/dev/null 2>&1 &
  ulimit -f $((${limitBytes} / 512 + 1))
  exec tee -a ${file}.out /dev/null <${file}.in 4<&- 5>&-
elif [ $rc_r = unwritable ]; then
  ${probeDisk(directory)}; ${emitMarkers(relay, ['unwritable %s %s %s'], troubleWords)}
else
  ${emitMarkers(relay, ['attached'])}
fi
}
`)
}
