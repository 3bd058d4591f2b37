/** Files that a shell, git or another program reads by itself, and that can make it run something. */
export const files: readonly string[] = `
.bashrc .bash_profile .bash_login .bash_logout .bash_aliases .profile .zshenv .zprofile .zshrc .zlogin .zlogout
.cshrc .tcshrc .login .logout .kshrc .mkshrc .shrc .shinit .pam_environment .inputrc .forward .rhosts .shosts
.k5login .gitconfig .netrc .curlrc .wgetrc .npmrc .yarnrc .yarnrc.yml .gemrc .condarc .hgrc .pypirc
.pydistutils.cfg .docker/config.json .pip/pip.conf .config/pip/pip.conf .m2/settings.xml .cargo/config
.cargo/config.toml .gradle/init.gradle .gradle/gradle.properties
`
  .trim()
  .split(/\s+/)
/** Directories of which every file is such a one. */
export const directories: readonly string[] = [
  '.ssh',
  '.config/git',
  '.config/fish',
  '.config/systemd',
  '.config/environment.d',
  '.local/share/systemd',
  '.gradle/init.d',
]
