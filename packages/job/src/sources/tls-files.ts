import {
  clientCertificateKey,
  clientPrivateKey,
  type ResolvedVariable,
  serverCertificatesKey,
} from '../variables/job-variables.ts'

/** A file that git needs to reach the coordinator by https. */
export interface TlsFile {
  /** Of git: `http.<address>.<setting>`. */
  readonly setting: 'sslCAInfo' | 'sslCert' | 'sslKey'
  /** The variable that holds its path. */
  readonly variable: string
}

/** Those that the job has: a variable that the job made something else of is not one. */
export function tlsFiles(variables: ReadonlyMap<string, ResolvedVariable>): readonly TlsFile[] {
  return all.filter(({ variable }) => variables.get(variable)?.file === true)
}

const all: readonly TlsFile[] = [
  { setting: 'sslCAInfo', variable: serverCertificatesKey },
  { setting: 'sslCert', variable: clientCertificateKey },
  { setting: 'sslKey', variable: clientPrivateKey },
]
