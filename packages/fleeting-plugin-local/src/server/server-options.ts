/** What the group tells an instance's process, as JSON in its first argument. None of it is secret. */
export interface ServerOptions {
  readonly instanceId: string
  /** The instance's own directory: its home and temporary files. Made at the start, removed at the end. */
  readonly directory: string
  /** Absolute path of the shell that commands run in. */
  readonly shell: string
  /** Whose key opens the door, as in `authorized_keys`. */
  readonly authorizedKey: string
  readonly username: string
}

/** What the instance's process tells the group, once, when it can be reached. */
export interface ServerReady {
  readonly port: number
  /** As in `known_hosts` after the host's name: `ssh-ed25519 AAAA…`. */
  readonly hostKey: string
}
