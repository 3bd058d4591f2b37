import { createPrivateKey, X509Certificate } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { integer, oid, sequence } from './der.ts'
import { newSessionCertificate, pem } from './session-certificate.ts'

test('a certificate for localhost, signed by itself, of its own key, valid now', async () => {
  const now = Date.UTC(2026, 10, 26, 12)
  const { certificate, privateKey } = await newSessionCertificate(now)
  const read = new X509Certificate(certificate)
  expect(read.verify(read.publicKey)).toBe(true)
  expect(read.checkPrivateKey(createPrivateKey(privateKey))).toBe(true)
  expect(read.checkHost('localhost')).toBe('localhost')
  expect(read.ca).toBe(true)
  expect(read.subject).toBe('CN=localhost')
  expect(read.validFromDate.getTime()).toBeLessThan(now)
  expect(read.validToDate.getTime()).toBeGreaterThan(now + 1000 * 24 * 3_600_000)
  expect(pem(read.raw)).toBe(certificate)
})

test('no two are alike', async () => {
  const [one, other] = await Promise.all([newSessionCertificate(0), newSessionCertificate(0)])
  expect(new X509Certificate(one.certificate).serialNumber).not.toBe(
    new X509Certificate(other.certificate).serialNumber,
  )
})

test('lengths and numbers as DER has them', () => {
  expect(oid('1.2.840.10045.4.3.2').toString('hex')).toBe('06082a8648ce3d040302')
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 400 }), (bytes) => {
      bytes[0] = Math.max(1, bytes[0] as number)
      const encoded = integer(bytes)
      const header = encoded[1] === 0x82 ? 4 : encoded[1] === 0x81 ? 3 : 2
      expect(BigInt(`0x${encoded.subarray(header).toString('hex')}`)).toBe(
        BigInt(`0x${Buffer.from(bytes).toString('hex')}`),
      )
      expect(encoded[header] as number).toBeLessThan(0x80)
      expect(sequence(encoded).length).toBeGreaterThan(encoded.length)
    }),
  )
})
