import type { FakeAnswer, FakeRequest, Route } from '../core/fake-server.ts'
import { answer } from './arm-answer.ts'

/** Who may log in. */
export interface ClientSecret {
  readonly tenantId: string
  readonly clientId: string
  readonly clientSecret: string
}

/**
 * The authority: what OpenID discovery asks for, and tokens for a client's secret. Undefined: the request is for
 * somebody else.
 */
export function authorityRoute({ method, url, body }: FakeRequest, client: ClientSecret): Route | undefined {
  const [, tenant] =
    /^\/([^/]+)\/(?:v2\.0\/\.well-known\/openid-configuration|oauth2\/v2\.0\/token)$/.exec(url.pathname) ?? []
  if (tenant === undefined) return undefined
  return method === 'GET'
    ? { operation: 'Authority_Discover', bucket: 'Authority', act: () => discovery(url.origin, tenant) }
    : { operation: 'Authority_Token', bucket: 'Authority', act: () => token(new URLSearchParams(body), tenant, client) }
}

function discovery(origin: string, tenant: string): FakeAnswer {
  return answer(200, {
    issuer: `${origin}/${tenant}/v2.0`,
    authorization_endpoint: `${origin}/${tenant}/oauth2/v2.0/authorize`,
    token_endpoint: `${origin}/${tenant}/oauth2/v2.0/token`,
    jwks_uri: `${origin}/${tenant}/discovery/v2.0/keys`,
  })
}

function token(form: URLSearchParams, tenant: string, client: ClientSecret): FakeAnswer {
  const isKnown =
    tenant === client.tenantId &&
    form.get('client_id') === client.clientId &&
    form.get('client_secret') === client.clientSecret
  if (!isKnown)
    return answer(401, { error: 'invalid_client', error_description: 'AADSTS7000215: Invalid client secret provided.' })
  return answer(200, {
    token_type: 'Bearer',
    expires_in: 3599,
    ext_expires_in: 3599,
    access_token: 'fake-access-token',
  })
}
