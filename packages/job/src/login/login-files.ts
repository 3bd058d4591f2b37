/**
 * Files that a shell, or what lets somebody in or delivers mail, reads by itself, and that can make it run something.
 */
const startUpFiles: readonly string[] = `
.bashrc .bash_profile .bash_login .bash_logout .bash_aliases .profile .zshenv .zprofile .zshrc .zlogin .zlogout
.cshrc .tcshrc .login .logout .kshrc .mkshrc .shrc .shinit .pam_environment .inputrc .forward .rhosts .shosts
.k5login
`
  .trim()
  .split(/\s+/)
/** Settings of tools that can make those run something. */
const toolFiles: readonly string[] = `
.gitconfig .netrc .curlrc .wgetrc .npmrc .yarnrc .yarnrc.yml .gemrc .condarc .hgrc .pypirc
.pydistutils.cfg .docker/config.json .pip/pip.conf .config/pip/pip.conf .m2/settings.xml .cargo/config
.cargo/config.toml .gradle/init.gradle .gradle/gradle.properties
`
  .trim()
  .split(/\s+/)
/** Directories of which every file is read by itself. */
const startUpDirectories: readonly string[] = [
  '.ssh',
  '.config/fish',
  '.config/systemd',
  '.config/environment.d',
  '.local/share/systemd',
]

/** Files that a shell, git or another program reads by itself, and that can make it run something. */
export const files: readonly string[] = [...startUpFiles, ...toolFiles]
/** Directories of which every file is such a one. */
export const directories: readonly string[] = [...startUpDirectories, '.config/git', '.gradle/init.d']

/**
 * Whether a part of a login starts programs without anybody's calling a tool: a start-up file, `~/.ssh`, a unit of
 * the user, the crontab, `at`, lingering. What only tools read may stay for the next job of the same project.
 */
export function startsPrograms(part: string): boolean {
  const [, file] = /^(?:file|link) (.+)$/.exec(part) ?? []
  if (file === undefined) return true
  return startUpFiles.includes(file) || startUpDirectories.some((directory) => file.startsWith(`${directory}/`))
}
