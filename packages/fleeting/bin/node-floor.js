// The oldest Node that the commands run on. Plain JavaScript, so that an older one can say so.

/** Ends the process with one line when this Node is too old. */
export function requireNode(command) {
  const [major, minor] = process.versions.node.split('.').map(Number)
  if (major > 22 || (major === 22 && minor >= 15)) return
  console.error(`${command}: expected Node 22.15 or later, got ${process.version}`)
  process.exit(2)
}
