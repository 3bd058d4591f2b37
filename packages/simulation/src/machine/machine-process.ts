/** A process on a machine. */
export interface MachineProcess {
  readonly pid: number
  /** The marker of the job that it belongs to, which it has in its environment. */
  readonly marker: string | undefined
  /** Does not end when it is asked to. */
  isStubborn: boolean
  /** Called once, when it is ended by force or by being asked. */
  readonly onKilled: () => void
}
