import type { MachineFiles } from '../machine-records.ts'

/** What the group tells an instance's process, as JSON in its first argument. None of it is secret. */
export interface ServerOptions {
  readonly instanceId: string
  /** The instance's own directory: its home and temporary files. Made at the start, removed at the end. */
  readonly directory: string
  /** Absolute path of the shell that commands run in. */
  readonly shell: string
  readonly username: string
  /**
   * Whose key opens the door, as in `authorized_keys`; or, for an instance that outlives its group, where it is known
   * by what it is found again.
   */
  readonly access: { readonly authorizedKey: string } | { readonly files: MachineFiles; readonly unownedMs: number }
}

/** What the instance's process tells the group, once, when it can be reached. */
export interface ServerReady {
  readonly port: number
  /** As in `known_hosts` after the host's name: `ssh-ed25519 AAAA…`. */
  readonly hostKey: string
}
