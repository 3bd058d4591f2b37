// An authority that nobody trusts, and a certificate of it for an address of this computer.
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Why there can be none; undefined when there can. */
export function authorityMissing(): string | undefined {
  return spawnSync('openssl', ['version']).status === 0 ? undefined : 'there is no openssl'
}

export interface OwnAuthority extends Disposable {
  /** PEM files. */
  readonly authority: string
  readonly certificate: string
  readonly key: string
}

export function makeAuthority(address: string): OwnAuthority {
  const directory = mkdtempSync(join(tmpdir(), 'authority-'))
  const file = (name: string): string => join(directory, name)
  const openssl = (...args: string[]): void => void execFileSync('openssl', args, { stdio: 'ignore', cwd: directory })
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  openssl('req', '-x509', ...newKey, '-keyout', 'ca.key', '-out', 'ca.pem', '-days', '2', '-subj', '/CN=test authority')
  openssl('req', ...newKey, '-keyout', 'server.key', '-out', 'server.csr', '-subj', `/CN=${address}`)
  writeFileSync(file('extensions'), `subjectAltName=IP:${address}\n`)
  const signing = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '2', '-extfile', 'extensions']
  openssl('x509', '-req', '-in', 'server.csr', ...signing, '-out', 'server.pem')
  return {
    authority: file('ca.pem'),
    certificate: file('server.pem'),
    key: file('server.key'),
    [Symbol.dispose]: () => rmSync(directory, { recursive: true, force: true }),
  }
}
