const linePattern = /^([A-Za-z_][A-Za-z0-9_]*)=(.*)$/s

/** What is said in the file of `GITLAB_ENV`: `KEY=value` lines, later ones first. What is none is left out. */
export function parseJobEnv(text: string): ReadonlyMap<string, string> {
  const variables = new Map<string, string>()
  // A shell reads no NUL.
  for (const line of text.replaceAll('\0', '').split('\n')) {
    const [, key, value] = linePattern.exec(line) ?? []
    if (key !== undefined) variables.set(key, value!)
  }
  return variables
}
