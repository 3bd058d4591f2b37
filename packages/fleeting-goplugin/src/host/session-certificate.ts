import { generateKeyPair, randomBytes, sign } from 'node:crypto'
import { promisify } from 'node:util'
import { bits, integer, octets, oid, sequence, set, tlv, truth, utcTime, utf8 } from './der.ts'

/** A certificate for one process, and its private key, both PEM. */
export interface SessionCertificate {
  readonly certificate: string
  readonly privateKey: string
}

const dayMs = 24 * 3_600_000
const ecdsaWithSha256 = sequence(oid('1.2.840.10045.4.3.2'))
const localhost = sequence(set(sequence(oid('2.5.4.3'), utf8('localhost'))))

/**
 * Signed by itself, for `localhost`, as go-plugin's AutoMTLS has them: each end trusts exactly the other's. Node can
 * make keys, but no certificates.
 */
export async function newSessionCertificate(wallTime: number): Promise<SessionCertificate> {
  const { publicKey, privateKey } = await promisify(generateKeyPair)('ec', { namedCurve: 'prime256v1' })
  const body = sequence(
    tlv(0xa0, tlv(0x02, Buffer.from([2]))),
    integer(Buffer.concat([Buffer.from([1]), randomBytes(15)])),
    ecdsaWithSha256,
    localhost,
    // Clocks of a machine are one, but may be set back.
    sequence(utcTime(new Date(wallTime - dayMs)), utcTime(new Date(wallTime + 3650 * dayMs))),
    localhost,
    publicKey.export({ type: 'spki', format: 'der' }),
    tlv(
      0xa3,
      sequence(
        extension('2.5.29.19', sequence(truth)),
        // Signs, agrees on keys, and signs certificates: its own.
        extension('2.5.29.15', bits(Buffer.from([0b10001100]), 2)),
        extension('2.5.29.37', sequence(oid('1.3.6.1.5.5.7.3.1'), oid('1.3.6.1.5.5.7.3.2'))),
        extension('2.5.29.17', sequence(tlv(0x82, Buffer.from('localhost')))),
      ),
    ),
  )
  const certificate = sequence(body, ecdsaWithSha256, bits(sign('sha256', body, privateKey)))
  return { certificate: pem(certificate), privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string }
}

function extension(id: string, value: Uint8Array): Buffer {
  return sequence(oid(id), truth, octets(value))
}

/** A certificate's bytes as PEM. */
export function pem(der: Buffer): string {
  return `-----BEGIN CERTIFICATE-----\n${der.toString('base64').replaceAll(/.{64}/g, '$&\n').trimEnd()}\n-----END CERTIFICATE-----\n`
}
