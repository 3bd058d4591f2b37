import type { ShellName } from '../job-environment.ts'
import { probeDisk, troubleWords } from '../script/disk-trouble.ts'
import { lookAtSpace, lowSpaceMarker, spaceWord } from '../script/free-space.ts'
import { emitMarkers } from '../script/markers.ts'
import { type DetachedScript, detachDirectory, makeDetachDirectory, relayFile, scriptFile } from './detached-files.ts'
import { claimSlot, freeSlot, type SlotClaim } from './slot-file.ts'

export interface DetachedScriptOptions extends DetachedScript {
  /** What `jobScript` made. */
  readonly script: Buffer
  readonly shell: ShellName
  /** That of the script's own markers. */
  readonly nonce: string
  /** The relay that passes its output on and keeps it: see `relayScript`. */
  readonly relay: string
  /** Where its output begins in what the relay keeps, bytes; 0: the relay forgets what it had from another job. */
  readonly relayOffset: number
  /** Whether it says, after `detached`, what is in `rc_w`: see `ShellCommandOptions.tellsShell`. */
  readonly tellsShell: boolean
  /** The slot that it runs in. Default: none that others would know. */
  readonly claim?: SlotClaim | undefined
  /**
   * There must be so much room, KiB. It then says, first after `detached`, what {@link spaceWord} is. Default: nobody
   * looks.
   */
  readonly minFreeKib?: number | undefined
}

/**
 * Makes a generated script outlive its connection, on a POSIX machine with `/proc`. The shell stays what it was, the
 * command's process in a session of its own that the SSH server made for it, and nothing tells it that its connection
 * is gone: only its output would, and that goes to a relay. It costs no process and no waiting.
 *
 * Where it cannot, or is asked to tell its shell, it says so by a marker on the command's own output: `detached`;
 * `attached` where the machine lacks something, so that the script runs as if it had not been asked for; `taken` where
 * a script of this name was started before, and `gone` where its relay is: then it does not run, and nothing tells of
 * it. `unwritable`, with what `readDiskTrouble` reads: nothing can be written, so that nobody could tell later whether
 * it was started; it does not run. Only the first script of a job does that: what follows it runs as if it had not been
 * asked for, since the job itself may have filled the disk. `occupied`, with another job's marker: something of that
 * job may be alive in its slot; it does not run. All else that comes there is a login's greeting.
 *
 * That the script's file is there already and that it cannot be written are told apart: it is opened, and then
 * written. The connection may be gone already: that must neither end this shell nor keep it from saying so, hence
 * descriptor 9. A pipe that is removed just before it is opened becomes a file, so what was opened is looked at.
 */
export function detachedScript(options: DetachedScriptOptions): Buffer {
  const { script, shell, nonce, buildsDir, jobMarker, index, relay, relayOffset, tellsShell, claim, minFreeKib } =
    options
  const words = [
    ...(minFreeKib === undefined ? [] : [spaceWord]),
    ...(shell === 'bash' && tellsShell ? ['"$rc_w"'] : []),
  ]
  const telling = emitMarkers(nonce, [`detached${' %s'.repeat(words.length)}`], words)
  const told = words.length > 0 ? `trap '' PIPE; ${telling} 2>/dev/null >&9; trap - PIPE; ` : ''
  const file = scriptFile(options)
  const withoutFile = index === 0 ? 'unwritable' : 'attached'
  const pipe = `${relayFile(buildsDir, relay)}.in`
  const forget = relayOffset === 0 ? `true >|${relayFile(buildsDir, relay)}.out; ` : ''
  const directory = detachDirectory(buildsDir)
  // One that was started already is not refused for what it wrote.
  const looking =
    minFreeKib === undefined
      ? ''
      : `rc_y=; [ -e ${file} ] || { ${lookAtSpace(directory, minFreeKib)}; }
case $rc_y in [0-9]*) ${emitMarkers(nonce, ...lowSpaceMarker(minFreeKib))}; exit 0 ;; esac
`
  const claiming =
    claim === undefined
      ? ''
      : `${claimSlot(buildsDir, jobMarker, claim)}
case $rc_b in '') ;; !) rc_d=${withoutFile} ;; *) rc_d=occupied ;; esac
`
  const freeing = claim === undefined ? '' : `case $rc_s in swept) ${freeSlot} ;; esac\n`
  const prelude = `{ set -- "$PWD"; rc_d=attached; rc_b=
${makeDetachDirectory(buildsDir)}
${looking}{ ${claiming}if [ -z "$rc_b" ] && [ -O ${directory} ] && ${claim === undefined ? 'read -r rc_l </proc/$$/stat' : '[ "$rc_l" ]'}; then
  set -C
  { rc_d=torn; printf '%s\\n' "$rc_l" '${relay} ${relayOffset}' && rc_d=detached; } >${file}
  set +C
  case $rc_d in
    attached) if [ -e ${file} ]; then rc_d=taken; else rc_d=${withoutFile}; fi ;;
    torn) rm -f ${file}; rc_d=${withoutFile} ;;
  esac
fi; } 2>/dev/null
case $rc_d in
  detached)
    exec 9>&1
    if [ -p ${pipe} ] && exec >${pipe} && [ -p /proc/$$/fd/1 ]; then ${forget}${told}exec 9>&-
    else rm -f ${pipe} ${file}; ${emitMarkers(nonce, ['gone'])} >&9; exit 0; fi ;;
  unwritable) ${probeDisk(directory)}; ${emitMarkers(nonce, ['unwritable %s %s %s'], troubleWords)} ;;
  *) ${emitMarkers(nonce, ['%s'], ['"$rc_d${rc_b:+ $rc_b}"'])} ;;
esac
case $rc_d in taken | unwritable | occupied) exit 0 ;; esac
unset rc_d rc_l rc_w rc_b${minFreeKib === undefined ? '' : ' rc_y'}
`
  // The script keeps the login's directory in `$1`, how its stages ended in `$2`, whether it left nothing in `rc_s`,
  // and when that was in `rc_t`.
  const epilogue = `${freeing}if [ -f ${file} ]; then echo "$2 $rc_s $rc_t" >>${file}; fi
exit 0
}
`
  return Buffer.concat([Buffer.from(prelude), script, Buffer.from(epilogue)])
}
