import { createSecureContext } from 'node:tls'
import type { PipelinePolicy, TlsSettings } from '@azure/core-rest-pipeline'
import type { AzureConfig } from './config.ts'

/** Options of the SDK's clients, of those for tokens as well. */
export interface Trust {
  readonly tlsOptions?: TlsSettings
  readonly additionalPolicies?: { readonly policy: PipelinePolicy; readonly position: 'perCall' }[]
}

/**
 * One context of TLS for all connections: read anew for each, the usual authorities alone cost some megabytes. Node's
 * agents take it; the library's types know certificates only.
 */
export function trustOf({ certificates }: Pick<AzureConfig, 'certificates'>): Trust {
  if (certificates === undefined) return {}
  const secureContext = createSecureContext({ ca: [...certificates] })
  // Agents of a proxy are made without `tlsOptions`. What a request says for itself reaches its connection there too.
  const policy: PipelinePolicy = {
    name: 'trustBehindProxy',
    sendRequest(request, next) {
      request.requestOverrides = { ...request.requestOverrides, secureContext }
      return next(request)
    },
  }
  return { tlsOptions: { secureContext } as TlsSettings, additionalPolicies: [{ policy, position: 'perCall' }] }
}
