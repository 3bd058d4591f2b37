const prefixes = [/^glrt-(t[123]_)?|^t[123]_|^glrtr-/, /^glcbt-/, /^GR[0-9A-Fa-f]{7}/]

/** The first nine characters of a token after its known prefixes: enough to tell runners apart in logs and metrics, as GitLab shows them. */
export function shortToken(token: string): string {
  return prefixes.reduce((rest, prefix) => rest.replace(prefix, ''), token).slice(0, 9)
}
