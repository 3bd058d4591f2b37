import { say } from './say.ts'

/** What `git grep` is to look for to know whether LFS keeps any file. */
export const lfsAttributes = `--cached filter=lfs -- ':(glob)**/.gitattributes'`

/**
 * One compound command that puts the files that LFS keeps in place of their pointers, in the work tree it runs in,
 * where its commit has such files at all. From then on git reads and writes them by itself there, whether or not the
 * machine was set up for it.
 */
export const lfsScript: string = [
  `if git grep -q ${lfsAttributes}; then`,
  'if command -v git-lfs >/dev/null; then',
  // Not the repository's hooks, which are for pushing.
  'git lfs install --local --skip-repo >/dev/null && git lfs pull',
  'else',
  say('git-lfs was not found on the instance: LFS files are left as pointers'),
  'fi',
  'fi',
].join('\n')
