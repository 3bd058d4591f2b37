import { quote } from '../script/quote.ts'

/**
 * Caches that a machine keeps itself, one file each: `<cache directory>/<project>/<key>/cache.gz`. Compressed in it are
 * the digest of the list of what was saved and a line feed, the directories that it needs, one a line, an empty line,
 * and what the machine's tar made. A file is written under another name and then renamed, so it is there as a whole or
 * not at all.
 */
export interface LocalCache {
  /** Absolute, or below `loginDirectory`. */
  readonly cacheDir: string
  /** `group/project` */
  readonly projectPath: string
  readonly key: string
}

export interface SavedCache {
  /** Of the list of all that is to be saved: one word. */
  readonly digest: string
  /** `gzip`'s. */
  readonly level: number
  /**
   * Part of a file's name that nobody else has at the same time, on this machine or on others that share the directory.
   */
  readonly unique: string
}

/** What the commands below end with when there is nothing wrong. */
export const localCacheStatus = {
  /** There is no cache under that key. */
  missing: 44,
  /** What is to be saved is what was saved. */
  upToDate: 45,
} as const

/** A cache that nobody has used for so many days is removed when another one is saved. */
const unusedDays = 30

/**
 * A command that unpacks a cache in `directory`, as `unpack` does with an archive of the manager: `unpack` reads names
 * of directories up to an empty line, and then a tar stream.
 */
export function restoreLocalCache(cache: LocalCache, unpack: string): string {
  return `f=${quote(fileOf(cache))}
[ -f "$f" ] || exit ${localCacheStatus.missing}
touch -c "$f" 2>/dev/null
gzip -dc <"$f" | { read -r digest && { ${unpack}
}; }`
}

/**
 * A command that saves a cache. It gets names of directories, one a line, an empty line, and what `pack` reads, which
 * writes a tar stream. The name of a file that `pack` may make is `$t.part`.
 */
export function saveLocalCache(cache: LocalCache, pack: string, { digest, level, unique }: SavedCache): string {
  const file = quote(fileOf(cache))
  return `f=${file} t=\${f%/*}/.cache.${unique}
if [ -f "$f" ] && [ "$(gzip -dc <"$f" 2>/dev/null | { read -r digest; echo "$digest"; })" = ${quote(digest)} ]; then touch -c "$f"; exit ${localCacheStatus.upToDate}; fi
umask 077
mkdir -p "\${f%/*}" || exit
trap 'rm -f "$t" "$t.status" "$t.part"' EXIT
trap 'exit 1' HUP INT TERM
{ echo ${quote(digest)}
while IFS= read -r d && [ "$d" ]; do printf '%s\\n' "$d"; done
echo
( ${pack}
)
echo $? >"$t.status"
} | gzip -${level} >"$t" || exit
read -r s <"$t.status" && [ "$s" = 0 ] || exit "\${s:-1}"
mv -f "$t" "$f" || exit
find ${quote(cache.cacheDir)} -type f '(' -name cache.gz -mtime +${unusedDays} -o -name '.cache.*' -mtime +1 ')' -exec rm -f {} + 2>/dev/null
exit 0`
}

/**
 * For {@link saveLocalCache}: reads paths, each with a NUL behind it, and writes one tar archive, in which a file with
 * several names has its bytes once. busybox's tar takes names from its command line only: of the archives that it makes
 * of as many as fit there, all but the end is taken.
 */
export function packLocally(projectDir: string): string {
  return `cd ${quote(projectDir)} || exit
case $(tar --version 2>&1) in
*GNU*) exec tar --format=gnu --no-recursion --null -cf - -T - ;;
*) xargs -0 sh -c 'tar --no-recursion -cf "$0" "$@" && head -c -1024 "$0"' "$t.part" && head -c 1024 /dev/zero ;;
esac`
}

/** `gzip`'s levels. What stays on the machine is better written fast. */
export function gzipLevel(setting: string): number {
  const levels: Readonly<Record<string, number>> = { fast: 3, default: 6, slow: 7, slowest: 9 }
  return levels[setting.toLowerCase()] ?? 1
}

function fileOf({ cacheDir, projectPath, key }: LocalCache): string {
  return `${cacheDir}/${projectPath}/${key}/cache.gz`
}
