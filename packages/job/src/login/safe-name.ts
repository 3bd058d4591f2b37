/** Whether a path below a home, which a machine reported, leads nowhere else. */
export function isSafeName(name: string): boolean {
  return (
    /^[A-Za-z0-9._@:+~][A-Za-z0-9._@:+~/-]*$/.test(name) &&
    name.split('/').every((segment) => segment !== '' && segment !== '.' && segment !== '..')
  )
}
