/**
 * A setting that is on or off as GitLab's runner reads it: `true`, `t` and `1`, `false`, `f` and `0`, in any case;
 * undefined when it is neither.
 */
export function parseGoBool(text: string): boolean | undefined {
  const word = text.trim().toLowerCase()
  if (['1', 't', 'true'].includes(word)) return true
  if (['0', 'f', 'false'].includes(word)) return false
  return undefined
}
