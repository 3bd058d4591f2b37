import { loginDirectory } from '../build-paths.ts'
import { quote } from '../script/quote.ts'

/** Enters the work tree: absolute, or below {@link loginDirectory}. */
function enter(projectDir: string): string {
  return `cd ${quote(projectDir.replace(`${loginDirectory}/`, './'))} || exit`
}

/**
 * Reads paths, a line each, and lists what is there and below: `state:./path`, each with a NUL behind it. The state of
 * a file has permissions, size and time where the machine's `find` tells them (GNU's does), else nothing. A path that
 * ends with `/` may be a link to a directory.
 */
export function listCommand(projectDir: string): string {
  return `${enter(projectDir)}
if find . -prune -printf '' >/dev/null 2>&1; then f='( -type d -printf d:%p\\0 -o -printf %m,%s,%T@:%p\\0 )'; else f=-print0; fi
while IFS= read -r p; do
if [ -e "$p" ] || [ -L "$p" ]; then find "$p" $f </dev/null; fi
done
:`
}

/** Prints a file, if it is there, up to `maxBytes`: absolute, or below {@link loginDirectory}. */
export function readCommand(file: string, maxBytes: number): string {
  const path = quote(file.replace(`${loginDirectory}/`, './'))
  return `if [ -f ${path} ]; then exec head -c ${maxBytes} ${path}; fi`
}

/** Lists what git does not know, ignored files included, each with a NUL behind it. */
export function untrackedCommand(projectDir: string): string {
  return `${enter(projectDir)}
exec git -c core.fsmonitor=false -c safe.directory='*' ls-files -o -z`
}

/**
 * Reads paths, each with a NUL behind it, and writes them as they come as a tar stream; a directory is only itself.
 * GNU's tar in the format that busybox's has, too. Where there is only busybox's, several archives may follow each
 * other, and a file with several names has its bytes once, unless each is to be taken `alone`.
 */
export function packCommand(projectDir: string, alone = false): string {
  return `${enter(projectDir)}
command -v tar >/dev/null 2>&1 || { echo 'tar was not found on the instance' >&2; exit 127; }
case $(tar --version 2>&1) in
*GNU*) exec tar --format=gnu --no-recursion --hard-dereference --null -cf - -T - ;;
*) exec xargs -0${alone ? ' -n 1' : ''} tar --no-recursion -cf - ;;
esac`
}
