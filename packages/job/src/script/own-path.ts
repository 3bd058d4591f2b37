/** Where our own steps find programs, whatever a login's start-up files or an earlier job made of `PATH`. */
export const fixedPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/run/current-system/sw/bin'

/** Shell text with which our own steps begin: the machine's own programs come before those of the login. */
export const ownPath: string = `PATH=${fixedPath}:$PATH`
