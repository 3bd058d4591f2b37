/** Where one of Microsoft's clouds is reached. */
interface Cloud {
  /** Resource Manager's address. */
  readonly endpoint: string
  /** Who issues tokens. */
  readonly authorityHost: string
}

export type CloudName = 'public' | 'government' | 'china'

/** Microsoft's clouds, by the words of the key `cloud`. */
export const clouds: Readonly<Record<CloudName, Cloud>> = {
  public: { endpoint: 'https://management.azure.com', authorityHost: 'https://login.microsoftonline.com' },
  government: { endpoint: 'https://management.usgovcloudapi.net', authorityHost: 'https://login.microsoftonline.us' },
  china: { endpoint: 'https://management.chinacloudapi.cn', authorityHost: 'https://login.chinacloudapi.cn' },
}

/** Whether Microsoft knows this authority as one of its own. */
export function isAuthorityOfMicrosoft(authorityHost: string): boolean {
  return Object.values(clouds).some((cloud) => cloud.authorityHost === authorityHost)
}
