/**
 * A plugin does not notice that its host is gone, and Node cannot ask the kernel to tell it. So it is started through a
 * shell that first leaves a guard in the plugin's process group: a subshell that waits for the end of its standard
 * input, whose other end only this process has. However this process ends, the guard wakes, and ends the group:
 * SIGTERM, two seconds, SIGKILL. The shell itself becomes the plugin (`exec`), so that process number, exit code and
 * signals are the plugin's own. `$0` is the socket's directory.
 */
const guard = `exec 3<&0 </dev/null
( exec >/dev/null 2>&1
  trap '' TERM INT HUP
  read -r _ <&3
  kill -TERM 0
  sleep 2
  rm -f -- "$0"/*
  rmdir -- "$0"
  kill -KILL 0 ) &
exec "$@" 3<&-`

/** How to start `file`. On Windows there is no shell for it: there a plugin outlives a host that is killed. */
export function guardCommand(
  file: string,
  directory: string,
): { readonly command: string; readonly args: readonly string[] } {
  if (process.platform === 'win32') return { command: file, args: [] }
  return { command: '/bin/sh', args: ['-c', guard, directory, file] }
}
