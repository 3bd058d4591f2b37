/** What becomes of a key that GitLab Runner knows and that is not heeded here. */
export type ForeignKey =
  /** It warns: nothing is lost by ignoring it. `isQuiet`: not even that. */
  | { readonly is: 'without effect' | 'not applicable'; readonly because: string; readonly isQuiet?: boolean }
  /**
   * It is a problem, since something would be lost. `unless`: with these values nothing is. Default: those that turn it
   * off.
   */
  | {
      readonly is: 'refused'
      readonly instead: string
      readonly unless?: (value: unknown) => boolean
      /** No message shows its value. */
      readonly isSecret?: boolean
    }

export function without(because: string, { isQuiet = false }: { readonly isQuiet?: boolean } = {}): ForeignKey {
  return { is: 'without effect', because, ...(isQuiet && { isQuiet }) }
}

/** It is about what is not there, and so cannot be missed. */
export function notApplicable(because: string): ForeignKey {
  return { is: 'not applicable', because }
}

export function refused(instead: string, unless?: (value: unknown) => boolean): ForeignKey {
  return { is: 'refused', instead, ...(unless !== undefined && { unless }) }
}

export function refusedSecret(instead: string): ForeignKey {
  return { is: 'refused', instead, isSecret: true }
}

/** Whether a value is as if the key were not there: false, 0, empty, or a table that is off or all of which is. */
export function isOff(value: unknown): boolean {
  if (Array.isArray(value)) return value.length === 0
  if (typeof value !== 'object' || value === null) return value === false || value === '' || value === 0
  if (value instanceof Date) return false
  return ('enabled' in value && value.enabled === false) || Object.values(value).every(isOff)
}
