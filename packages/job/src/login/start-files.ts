/**
 * Files that decide what a login is before any command of ours runs. A script's shell was started while they were as
 * they should be, so it is the one that can be believed about them at its end: later shells have read them.
 *
 * For bash, which reads and writes a file without a process. Text of others that stands in the shell's variables is
 * never run.
 *
 * @module
 */
import { rarely } from '../script/rarely.ts'

const startFiles =
  '.bashrc .bash_profile .bash_login .profile .bash_aliases .zshenv .cshrc .tcshrc' +
  ' .config/fish/config.fish .pam_environment .ssh/rc .ssh/environment .ssh/authorized_keys .ssh/authorized_keys2'

/** Leaves the names of those that are there in a variable. */
const list = (variable: string): string =>
  `${variable}=; for rc_l in ${startFiles}; do [[ ! -e $1/$rc_l ]] || ${variable}+=" $rc_l"; done`

/**
 * Leaves in `rc_m` what the file `rc_l` holds, as a rule one element; what is no file, or cannot be read, holds
 * nothing.
 */
const read = `rc_m=(); [[ ! -f $1/$rc_l ]] || mapfile -d '' -n 2 rc_m <"$1/$rc_l"`

/**
 * Shell text that remembers the files: their names in `rc_k`, what they hold in `rc_c`. `$1`: the login's directory. It
 * starts no process.
 */
export const takeStartFiles: string = `{ ${list('rc_k')}; rc_c=(); for rc_l in $rc_k; do ${read}; rc_c+=("\${rc_m[*]}"); done; } 2>/dev/null; unset rc_l rc_m`

/** Variables that a job's lines should not see. */
export const hideStartFiles: readonly string[] = ['rc_k', 'rc_c']

/** Leaves in `rc_u` whether the files are other than they were. */
const compare = `${list('rc_n')}; rc_u= rc_i=0; if [ "$rc_n" != "$rc_k" ]; then rc_u=1; fi
for rc_l in $rc_k; do ${read}; if [ "\${rc_m[*]}" != "\${rc_c[rc_i]}" ]; then rc_u=1; fi; rc_i=$((rc_i + 1)); done`

const putBack = `for rc_l in $rc_n; do case "$rc_k " in *" $rc_l "*) ;; *) rm -rf -- "$1/$rc_l" ;; esac; done
rc_i=0; for rc_l in $rc_k; do
  ${read}; if [ "\${rc_m[*]}" != "\${rc_c[rc_i]}" ]; then
    rm -rf -- "$1/$rc_l"; case $rc_l in */*) mkdir -p -m 700 "$1/\${rc_l%/*}" ;; esac; ( umask 077; printf %s "\${rc_c[rc_i]}" >"$1/$rc_l" )
  fi; rc_i=$((rc_i + 1))
done
${compare}`

/**
 * Shell text that puts the files back as they were remembered, and runs `failed` where that cannot be done. It starts
 * processes only where a file was changed. What it prints on its errors is to be ignored.
 */
export function putBackStartFiles(failed: string): string {
  return `${compare}
if [ "$rc_u" ]; then ${rarely(putBack)}; fi
if [ "$rc_u" ]; then ${failed}; fi; unset rc_k rc_c rc_i rc_l rc_m rc_n rc_u`
}
