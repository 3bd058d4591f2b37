import { type AzureClouds, ComputeManagementClient } from '@azure/arm-compute'
import { AzureAuthorityHosts } from '@azure/identity'
import { expect, test } from 'vitest'
import { clouds, isAuthorityOfMicrosoft } from './clouds.ts'

const credential = { getToken: () => Promise.resolve({ token: 'token', expiresOnTimestamp: Date.now() + 3_600_000 }) }

/** Where the SDK sends a request by itself. */
async function endpointOf(cloudSetting: `${AzureClouds}`): Promise<string> {
  const asked: string[] = []
  const httpClient = {
    sendRequest({ url }: { url: string }) {
      asked.push(new URL(url).origin)
      return Promise.reject(new Error('no network'))
    },
  }
  const client = new ComputeManagementClient(credential, 'subscription', {
    cloudSetting,
    httpClient,
    retryOptions: { maxRetries: 0 },
  })
  await expect(client.virtualMachineScaleSets.get('group', 'set')).rejects.toThrow('no network')
  return asked[0]!
}

test("the clouds are where Azure's own libraries look for them", async () => {
  expect(clouds).toEqual({
    public: { endpoint: await endpointOf('AZURE_PUBLIC_CLOUD'), authorityHost: AzureAuthorityHosts.AzurePublicCloud },
    government: {
      endpoint: await endpointOf('AZURE_US_GOVERNMENT'),
      authorityHost: AzureAuthorityHosts.AzureGovernment,
    },
    china: { endpoint: await endpointOf('AZURE_CHINA_CLOUD'), authorityHost: AzureAuthorityHosts.AzureChina },
  })
})

test("only the authorities of Microsoft's clouds are known", () => {
  expect(Object.values(clouds).every(({ authorityHost }) => isAuthorityOfMicrosoft(authorityHost))).toBe(true)
  expect(isAuthorityOfMicrosoft('https://login.local')).toBe(false)
})
