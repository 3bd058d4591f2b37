/**
 * Commands that leave of a git directory only what `names` lists: what else is there an earlier job may have planted
 * (configuration, hooks, another directory to find them in), or a killed git left (locks). Replaced commits go too, and
 * so does what is neither a file nor a directory: git would wait at a pipe for ever. `directory`: a word of the shell;
 * `names`: as `find` matches them.
 */
export function keepHistory(directory: string, names: readonly string[]): string {
  const refs = `${directory}/refs`
  return [
    `find ${directory} -mindepth 1 -maxdepth 1 '(' ! -type f ! -type d -o ${names.map((name) => `! -name '${name}'`).join(' ')} ')' -exec rm -rf {} +`,
    `if [ -d ${refs} ]; then if [ -e ${refs}/replace ] || [ -h ${refs}/replace ]; then rm -rf ${refs}/replace; fi; find ${refs} '(' -type f -name '*.lock' -o ! -type f ! -type d ')' -exec rm -f {} +; fi`,
    `if [ -f ${directory}/packed-refs ] && grep -q ' refs/replace/' ${directory}/packed-refs; then rm -f ${directory}/packed-refs; fi`,
  ].join('\n')
}
