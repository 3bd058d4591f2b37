import type { FakeAnswer, FakeRequest } from '../core/fake-server.ts'
import { json } from './answers.ts'

const token = { access_token: 'ya29.of-the-fake', expires_in: 3599, token_type: 'Bearer' }
const subjectToken = 'subject-of-the-fake'

/**
 * Answers requests for credentials: those to the metadata server of a Compute Engine machine (set `GCE_METADATA_HOST`
 * to the fake's host and port), and those of the token exchange for workload identity. Undefined for any other request.
 */
export function tokenAnswer({ url, method, headers, body }: FakeRequest): FakeAnswer | undefined {
  if (url.pathname.startsWith('/computeMetadata/v1')) {
    const flavor = { 'metadata-flavor': 'Google' }
    if (headers['metadata-flavor'] !== 'Google') return { status: 403, body: 'Missing Metadata-Flavor:Google header.' }
    if (url.pathname.endsWith('/service-accounts/default/token'))
      return { ...json(token), headers: { ...flavor, 'content-type': 'application/json' } }
    const text = url.pathname.endsWith('/universe/universe-domain')
      ? 'googleapis.com'
      : url.pathname.endsWith('/email')
        ? 'fleet@example.invalid'
        : 'instance/'
    return { status: 200, headers: flavor, body: text }
  }
  if (url.pathname === '/subject') return json({ token: subjectToken })
  if (url.pathname !== '/v1/token' || method !== 'POST') return undefined
  if (new URLSearchParams(body).get('subject_token') !== subjectToken)
    return json({ error: 'invalid_grant', error_description: 'The subject token is not accepted.' }, 400)
  return json({ ...token, issued_token_type: 'urn:ietf:params:oauth:token-type:access_token' })
}

/** The content of a `plugin_config.credentials_file` that logs in to the fake by workload identity. */
export function externalAccount(url: string): object {
  return {
    type: 'external_account',
    audience: '//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/fleet/providers/fake',
    subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
    token_url: `${url}/v1/token`,
    credential_source: { url: `${url}/subject`, format: { type: 'json', subject_token_field_name: 'token' } },
  }
}
