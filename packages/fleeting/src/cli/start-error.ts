/** Thrown when a command cannot begin: nothing was started. */
export class StartError extends Error {
  override readonly name = 'StartError'
}
