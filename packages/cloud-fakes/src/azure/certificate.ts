import { generate } from 'selfsigned'

/**
 * A certificate for 127.0.0.1, localhost and `names` that is its own authority: a client trusts the server once it
 * trusts `cert`. Both are PEM.
 */
export async function selfSignedCertificate(
  names: readonly string[] = [],
): Promise<{ readonly key: string; readonly cert: string }> {
  const { private: key, cert } = await generate([{ name: 'commonName', value: 'fake Azure' }], {
    keyType: 'ec',
    algorithm: 'sha256',
    extensions: [
      { name: 'basicConstraints', cA: true, critical: true },
      { name: 'keyUsage', keyCertSign: true, digitalSignature: true, critical: true },
      {
        name: 'subjectAltName',
        altNames: [
          { type: 7, ip: '127.0.0.1' },
          ...['localhost', ...names].map((value) => ({ type: 2 as const, value })),
        ],
      },
    ],
  })
  return { key, cert }
}
