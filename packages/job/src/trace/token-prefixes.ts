/** Prefixes of GitLab's own tokens: what follows one is masked in every trace. */
export const defaultTokenPrefixes: readonly string[] = [
  'glpat-',
  'gloas-',
  'gldt-',
  'glrt-',
  'glcbt-',
  'glrtr-',
  'glptt-',
  'glft-',
  'glimt-',
  'glagent-',
  'glsoat-',
  'glffct-',
  '_gitlab_session=',
  'gltok-',
]

/** 1 for the bytes a token consists of after its prefix: `[A-Za-z0-9._=-]`. */
export const tokenBytes: Uint8Array = Uint8Array.from({ length: 256 }, (_, byte) =>
  /[A-Za-z0-9._=-]/.test(String.fromCharCode(byte)) ? 1 : 0,
)
