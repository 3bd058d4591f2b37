/** How the script ends when nothing listened in time. */
export const nothingListens = 9

export interface PortScriptOptions {
  readonly ports: readonly number[]
  /** After which it ends by itself. */
  readonly seconds: number
  /** Whether what listens on the loopback address alone is reached: the job shares the network. */
  readonly countsLoopback: boolean
}

/**
 * A script for any POSIX shell that ends well once something listens on one of the ports. It reads the kernel's table
 * of the network that it runs in, so it needs no program but `sleep`, and connects to nothing. It runs in the service's
 * own container, or in another one that shares its network. With `grep` it is faster: shells read that table byte by
 * byte.
 */
export function portScript({ ports, seconds, countsLoopback }: PortScriptOptions): string {
  const wanted = ports.map((port) => `*:${port.toString(16).toUpperCase().padStart(4, '0')}`).join('|')
  // 127.x.x.x, ::1 and ::ffff:127.x.x.x, as little-endian words.
  const loopback = '??????7F:*|00000000000000000000000001000000:*|0000000000000000FFFF0000??????7F:*'
  const skipped = countsLoopback ? '' : `${loopback}) ;;\n      `
  return `listens() {
  while read -r number address remote state rest; do
    [ "$state" = 0A ] || continue
    case $address in
      ${skipped}${wanted}) return 0 ;;
    esac
  done
  return 1
}
any() {
  for table in /proc/net/tcp /proc/net/tcp6; do
    [ -r "$table" ] || continue
    if command -v grep > /dev/null; then grep ' 0A ' "$table" | listens; else listens < "$table"; fi && return 0
  done
  return 1
}
[ -r /proc/net/tcp ] || exit 8
any && exit 0
if sleep 0.2 2> /dev/null; then pause=0.2 left=${seconds * 5}
else sleep 1 || exit 8; pause=1 left=${seconds}
fi
while ! any; do
  left=$((left - 1))
  [ "$left" -gt 0 ] || exit ${nothingListens}
  sleep "$pause"
done
`
}
