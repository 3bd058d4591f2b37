import type { LoginState } from '@runner-core/job'

/** What is known of a login, as JSON. */
export type KnownLogin = {
  /** Projects whose jobs may have left something. */
  readonly projects: readonly string[]
  /** Whether jobs of several projects have used it. */
  readonly isShared: boolean
  /** What it was like before the first job; null: nobody could tell. */
  readonly first: {
    readonly parts: readonly (readonly [string, string])[]
    readonly processes: readonly string[]
    readonly boot: string
    readonly names: readonly string[]
  } | null
}

/** Keeps what is known of logins over processes. */
export interface LoginMemory {
  get(name: string): KnownLogin | undefined
  set(name: string, login: KnownLogin): void
}

export function isKnownLogin(value: unknown): value is KnownLogin {
  const { projects, isShared, first } = (value ?? {}) as Partial<Record<keyof KnownLogin, unknown>>
  if (!isTexts(projects) || typeof isShared !== 'boolean' || first === undefined) return false
  if (first === null) return true
  const { parts, processes, boot, names } = first as Record<string, unknown>
  const hasParts = Array.isArray(parts) && parts.every((part) => isTexts(part) && part.length === 2)
  return hasParts && isTexts(processes) && typeof boot === 'string' && isTexts(names)
}

export function asState({ parts, ...first }: NonNullable<KnownLogin['first']>): LoginState {
  return { ...first, parts: new Map(parts) }
}

export function asFirst({ parts, processes, boot, names }: LoginState): NonNullable<KnownLogin['first']> {
  return { parts: [...parts], processes, boot, names }
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((each) => typeof each === 'string')
}
