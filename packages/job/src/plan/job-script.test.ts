import { expect, test } from 'vitest'
import { buildPaths } from '../build-paths.ts'
import type { ResolvedVariable } from '../variables/job-variables.ts'
import { shellVariables } from '../variables/shell-variables.ts'
import { type JobScriptOptions, jobScript } from './job-script.ts'

const paths = buildPaths({ buildsDir: 'builds', shortToken: 'tok', concurrentId: 2, projectPath: 'group/project' })
const resolved = (key: string, value: string, file = false): ResolvedVariable => ({ key, value, file, masked: false })
const options: JobScriptOptions = {
  shell: 'bash',
  nonce: 'NONCE',
  jobMarker: { name: 'RUNNER_CORE_JOB', value: 'abc' },
  paths,
  variables: shellVariables([resolved('CI_PROJECT_DIR', paths.projectDir), resolved('WORDS', `it's\ntwo lines`)]),
  prepare: { strategy: 'none', git: undefined },
  stages: [{ name: 'step_script', lines: ['echo "hi"', 'if true\nthen echo yes\nfi'], takesJobEnv: false }],
  debugTrace: false,
  scriptSections: false,
  cleanUp: true,
}
const beforeEnd = (script: Buffer): string =>
  script.toString().replaceAll('\x1b', 'ESC').split('\nset -- "$1" "$2"')[0]!

test('a job without sources is one script with one subshell', () => {
  const script = jobScript(options).toString()
  expect(beforeEnd(jobScript(options))).toMatchInlineSnapshot(`
    "{ unset s; exec 2>&1; set -- "$PWD" 0
    { if [ -h "$1"'/builds/tok/2/group/project.tmp' ]; then rm -f "$1"'/builds/tok/2/group/project.tmp'; fi &&
    if cd "$1"'/builds/tok/2/group/project' 2>/dev/null && [ -d "$1"'/builds/tok/2/group/project.tmp' ]; then :; else mkdir -p "$1"'/builds/tok/2/group/project' && mkdir -p -m 700 "$1"'/builds/tok/2/group/project.tmp' && cd "$1"'/builds/tok/2/group/project'; fi &&
    set -- "$1" "$1"'/builds/tok/2/group/project.tmp'/* "$1"'/builds/tok/2/group/project.tmp'/.[!.]* &&
    if [ -e "$2" ] || [ -h "$2" ] || [ -e "$3" ] || [ -h "$3" ]; then rm -rf "$1"'/builds/tok/2/group/project.tmp' && mkdir -m 700 "$1"'/builds/tok/2/group/project.tmp'; fi &&
    set -- "$1" 0; } || set -- "$1" 1
    if [ $2 = 0 ]; then
    { read -r s </proc/sys/kernel/hostname || s=$(uname -n); read -r rc_t rc_l </proc/uptime; } 2>/dev/null; printf '\\036NONCE host %s %s\\036\\036NONCE begin get_sources %s\\036\\036NONCE begin step_script %s\\036' "$s" "$1" "$rc_t" "$rc_t"; unset rc_t rc_l
    unset s
    fi
    if [ $2 != 0 ]; then rc_p="$1"'/builds'; eval 'while [ ! -d "$rc_p" ]; do case $rc_p in */*) rc_p=\${rc_p%/*}; [ "$rc_p" ] || rc_p=/ ;; *) rc_p=. ;; esac; done
    rc_e=$(LC_ALL=C; export LC_ALL; exec 2>&1; cat /proc/self/stat >|"$rc_p/.probe.$$"; rm -f "$rc_p/.probe.$$")
    rc_k=$(df -Pk "$rc_p" 2>/dev/null | { read -r rc_x; read -r rc_x rc_x rc_x rc_k rc_x; echo "$rc_k"; })
    rc_i=$(df -Pi "$rc_p" 2>/dev/null | { read -r rc_x; read -r rc_x rc_x rc_x rc_i rc_x; echo "$rc_i"; })
    rc_k=\${rc_k:--} rc_i=\${rc_i:--} rc_e=\${rc_e##*: }'
    case $rc_e in ?*) printf '\\036NONCE unwritable %s %s %s\\036' "$rc_k" "$rc_i" "$rc_e" ;; esac; fi
    if [ $2 = 0 ]; then
    (
    unset rc_slot
    export WORDS='it'\\''s
    two lines' CI_PROJECT_DIR="$1"'/builds/tok/2/group/project'
    set --; set -eo pipefail
    eval 'printf '\\''%s\\n'\\'' '\\''ESC[32;1m$ echo "hi"ESC[0;m'\\''
    echo "hi"
    printf '\\''%s\\n'\\'' '\\''ESC[32;1m$ if true # collapsed multi-line commandESC[0;m'\\''
    if true
    then echo yes
    fi
    '
    ) </dev/null
    set -- "$1" $?
    fi"
  `)
  // Nothing but the script's own subshell is started on the way to its end: no substitution, no pipe, no program that
  // is not a builtin.
  expect(script.match(/^\($/gm)).toHaveLength(1)
})

test('steps that come later take what earlier ones left for them; file variables are written; a shell that is not bash fails fast in its own way', () => {
  const script = jobScript({
    ...options,
    shell: 'sh',
    variables: shellVariables([resolved('KEY', 'content', true)]),
    stages: [
      { name: 'step_script', lines: ['true'], takesJobEnv: false },
      { name: 'step_release', lines: ['true'], takesJobEnv: true },
    ],
    debugTrace: true,
  })
  expect(beforeEnd(script)).toMatchInlineSnapshot(`
    "{ unset s; exec 2>&1; set -- "$PWD" 0
    { if [ -h "$1"'/builds/tok/2/group/project.tmp' ]; then rm -f "$1"'/builds/tok/2/group/project.tmp'; fi &&
    if cd "$1"'/builds/tok/2/group/project' 2>/dev/null && [ -d "$1"'/builds/tok/2/group/project.tmp' ]; then :; else mkdir -p "$1"'/builds/tok/2/group/project' && mkdir -p -m 700 "$1"'/builds/tok/2/group/project.tmp' && cd "$1"'/builds/tok/2/group/project'; fi &&
    set -- "$1" "$1"'/builds/tok/2/group/project.tmp'/* "$1"'/builds/tok/2/group/project.tmp'/.[!.]* &&
    if [ -e "$2" ] || [ -h "$2" ] || [ -e "$3" ] || [ -h "$3" ]; then rm -rf "$1"'/builds/tok/2/group/project.tmp' && mkdir -m 700 "$1"'/builds/tok/2/group/project.tmp'; fi &&
    set -- "$1" 0 &&
    ( umask 077
    printf %s 'content' >"$1"'/builds/tok/2/group/project.tmp/KEY' ); } || set -- "$1" 1
    if [ $2 = 0 ]; then
    { read -r s </proc/sys/kernel/hostname || s=$(uname -n); read -r rc_t rc_l </proc/uptime; } 2>/dev/null; printf '\\036NONCE host %s %s\\036\\036NONCE begin get_sources %s\\036\\036NONCE begin step_script %s\\036' "$s" "$1" "$rc_t" "$rc_t"; unset rc_t rc_l
    unset s
    fi
    if [ $2 != 0 ]; then rc_p="$1"'/builds'; eval 'while [ ! -d "$rc_p" ]; do case $rc_p in */*) rc_p=\${rc_p%/*}; [ "$rc_p" ] || rc_p=/ ;; *) rc_p=. ;; esac; done
    rc_e=$(LC_ALL=C; export LC_ALL; exec 2>&1; cat /proc/self/stat >|"$rc_p/.probe.$$"; rm -f "$rc_p/.probe.$$")
    rc_k=$(df -Pk "$rc_p" 2>/dev/null | { read -r rc_x; read -r rc_x rc_x rc_x rc_k rc_x; echo "$rc_k"; })
    rc_i=$(df -Pi "$rc_p" 2>/dev/null | { read -r rc_x; read -r rc_x rc_x rc_x rc_i rc_x; echo "$rc_i"; })
    rc_k=\${rc_k:--} rc_i=\${rc_i:--} rc_e=\${rc_e##*: }'
    case $rc_e in ?*) printf '\\036NONCE unwritable %s %s %s\\036' "$rc_k" "$rc_i" "$rc_e" ;; esac; fi
    if [ $2 = 0 ]; then
    (
    unset rc_slot
    export KEY="$1"'/builds/tok/2/group/project.tmp/KEY'
    set --; command set -o pipefail 2>/dev/null; set -e; set -x
    eval 'printf '\\''%s\\n'\\'' '\\''ESC[32;1m$ trueESC[0;m'\\''
    true
    '
    ) </dev/null
    set -- "$1" $?
    fi
    if [ $2 = 0 ]; then
    { read -r rc_t rc_l </proc/uptime; } 2>/dev/null; printf '\\036NONCE begin step_release %s\\036' "$rc_t"; unset rc_t rc_l
    (
    unset rc_slot
    export KEY="$1"'/builds/tok/2/group/project.tmp/KEY'
    if [ -f "$1"'/builds/tok/2/group/project.tmp/gitlab_runner_env' ]; then while IFS= read -r rc_l || [ "$rc_l" ]; do export "$rc_l"; done <"$1"'/builds/tok/2/group/project.tmp/gitlab_runner_env'; unset rc_l; fi
    set --; command set -o pipefail 2>/dev/null; set -e; set -x
    eval 'printf '\\''%s\\n'\\'' '\\''ESC[32;1m$ trueESC[0;m'\\''
    true
    '
    ) </dev/null
    set -- "$1" $?
    fi"
  `)
})

test('after_script is a script of its own in the directory that is there', () => {
  const { prepare: _, ...rest } = options
  expect(
    beforeEnd(jobScript({ ...rest, stages: [{ name: 'after_script', lines: ['true'], takesJobEnv: true }] })),
  ).toMatchInlineSnapshot(`
    "{ unset s; exec 2>&1; set -- "$PWD" 0
    cd "$1"'/builds/tok/2/group/project' || set -- "$1" 1
    if [ $2 = 0 ]; then
    { read -r rc_t rc_l </proc/uptime; } 2>/dev/null; printf '\\036NONCE begin after_script %s\\036' "$rc_t"; unset rc_t rc_l
    (
    unset rc_slot
    export WORDS='it'\\''s
    two lines' CI_PROJECT_DIR="$1"'/builds/tok/2/group/project'
    if [ -f "$1"'/builds/tok/2/group/project.tmp/gitlab_runner_env' ]; then while IFS= read -r rc_l || [ "$rc_l" ]; do export "$rc_l"; done <"$1"'/builds/tok/2/group/project.tmp/gitlab_runner_env'; unset rc_l; fi
    set --; set -eo pipefail
    eval 'printf '\\''%s\\n'\\'' '\\''ESC[32;1m$ trueESC[0;m'\\''
    true
    '
    ) </dev/null
    set -- "$1" $?
    fi"
  `)
})

test('the end of a script cleans up, looks for what it left and says how it went', () => {
  const script = jobScript({ ...options, stages: [] }).toString()
  expect(script.slice(script.indexOf('\nset -- "$1" "$2"'))).toMatchInlineSnapshot(`
    "
    set -- "$1" "$2" "$1"'/builds/tok/2/group/project.tmp'/* "$1"'/builds/tok/2/group/project.tmp'/.[!.]*; if [ -e "$3" ] || [ -h "$3" ] || [ -e "$4" ] || [ -h "$4" ]; then rm -rf "$1"'/builds/tok/2/group/project.tmp'; fi
    exec 2>/dev/null
    rc_stat() { rc_s=; while IFS= read -r rc_l || [ "$rc_l" ]; do rc_s="$rc_s $rc_l"; done <"/proc/$1/stat"; }
    rc_quick() {
      rc_own=$$; rc_from=$$
      for rc_x in 1 2 3 4 5 6; do
        rc_stat $rc_own; read -r rc_t rc_x </proc/uptime; read -r rc_x rc_x rc_x rc_x rc_last </proc/loadavg
        set -- \${rc_s##*) }
        [ "\${23}" = 498175915218174976 ] && set -- $((\${rc_t%.*}\${rc_t#*.} - \${20})) && [ $1 -ge 0 ] && [ $1 -lt 200 ] && [ $rc_last -ge $rc_from ] || return 1
        rc_x=$rc_from; while [ "\${rc_last#"$rc_x"}" = $rc_last ] && [ $rc_x ]; do rc_x=\${rc_x%?}; done
        [ \${#rc_last} = \${#rc_from} ] || rc_x=
        rc_gone=
        set -- /proc/$rc_x[0-9]*
        read -r rc_u rc_u rc_u rc_u rc_u </proc/loadavg; case \${#rc_u}$rc_u in \${#rc_last}$rc_x*) [ $rc_u -ge $rc_last ] || rc_gone=1 ;; *) rc_gone=1 ;; esac
        for rc_p do
          rc_p=\${rc_p#/proc/}
          [[ $rc_p -gt $rc_from ]] && [[ $rc_p -le $rc_u ]] || continue
          rc_stat $rc_p
          set -- \${rc_s##*) }
          case \${23} in '') rc_gone=1 ;; 498175915218174976) return 1 ;; ????????????????*) ;; *) return 1 ;; esac
        done
        [ "$rc_gone" ] || return 0
        rc_from=$rc_last
      done
      return 1
    }
    if rc_quick; then rc_s=swept; else rc_s=unswept; fi
    printf '\\036NONCE end %s %s\\036\\036NONCE %s\\036' "$2" "$rc_t" $rc_s
    :
    }
    "
  `)
})
