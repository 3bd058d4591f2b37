/** What belongs to an attempt to run a job is called; its network has this name alone. */
export function attemptName(attempt: string): string {
  return `runner-core-${attempt}`
}

/** The container that runs the job's own lines. */
export function jobContainerName(attempt: string): string {
  return `${attemptName(attempt)}-job`
}

/** One for each script of the helper. */
export function helperContainerName(attempt: string, index: number): string {
  return `${attemptName(attempt)}-helper-${index}`
}

/** In which files are moved; the next one after one that was lost. */
export function filesContainerName(attempt: string, index: number): string {
  return `${attemptName(attempt)}-files-${index}`
}

export function serviceContainerName(attempt: string, index: number): string {
  return `${attemptName(attempt)}-service-${index}`
}

/** Which looks whether a service is up. */
export function waitContainerName(attempt: string, serviceId: string): string {
  return `${attemptName(attempt)}-wait-${serviceId.slice(0, 12)}`
}

/**
 * Whether a container is one of an attempt, by its names. Labels do not say so: an image that a job makes of its
 * container has them too, and so has what runs from it.
 */
export function isOfAttempt(names: readonly string[] | undefined, attempt: string): boolean {
  return (names ?? []).some((name) => name.startsWith(`/${attemptName(attempt)}-`))
}
