/** Nothing can be written on a machine. */
export class UnwritableError extends Error {
  override readonly name = 'UnwritableError'
  readonly code = 'unwritable'
  /** What the machine said of it: see `readDiskTrouble`. */
  readonly told: string

  constructor(told: string) {
    super('nothing can be written on the instance')
    this.told = told
  }
}
