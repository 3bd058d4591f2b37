/** What the system calls an error, such as `ENOSPC`; `unknown` where it does not say. Never throws. */
export function errorCode(error: unknown): string {
  try {
    const { code } = error as NodeJS.ErrnoException
    return typeof code === 'string' ? code : 'unknown'
  } catch {
    return 'unknown'
  }
}
