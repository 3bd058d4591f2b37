/** How the SDK makes a call. */
export interface CallSettings {
  readonly signal: AbortSignal
  readonly retry: null
  readonly timeout: number
  readonly autoPaginate: false
  readonly otherArgs: { readonly headers: Record<string, string> }
}

/**
 * The header by which a call says which fields it wants. Google documents it for its newer APIs; Compute Engine's
 * discovery document has the query parameter `fields`, which is what `Transport` makes of it.
 */
export const fieldMaskHeader = 'x-goog-fieldmask'

/** Of one call, which the SDK may change. `fields` as the parameter of that name has them; default: all. */
export function callSettings(signal: AbortSignal, fields: string | undefined): CallSettings {
  return {
    signal,
    // The provisioner decides what is tried again.
    retry: null,
    // The signal ends each call. With a limit of its own, the SDK keeps what belongs to a call until that has passed.
    timeout: Number.POSITIVE_INFINITY,
    // Once it has begun to go from page to page, the SDK cannot be stopped.
    autoPaginate: false,
    otherArgs: { headers: fields === undefined ? {} : { [fieldMaskHeader]: fields } },
  }
}
