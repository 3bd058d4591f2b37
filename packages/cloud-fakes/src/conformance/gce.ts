/**
 * A fake Compute Engine for the conformance suite: `fleeting conformance gce --cloud @runner-core/cloud-fakes/gce`.
 *
 * @module
 */
import type { CreateConformanceCloud } from '@runner-core/fleeting/testing'
import { FakeGce } from '../gce/fake-gce.ts'
import { privateFile } from './private-file.ts'
import { realCloud } from './real-cloud.ts'

/**
 * Pages of one row, machines of one launch that come one after the other, a late list, fingerprints that are late, and
 * zones that fail in turn.
 */
const unkind = { pageSize: 1, listLagMs: 100, fingerprintLagMs: 400, zoneRetryMs: 200 }
const staggerMs = 60

/**
 * Starts a fake Compute Engine whose instances can be logged in to. With `region` in the configuration its group is a
 * regional one.
 */
export const createConformanceCloud: CreateConformanceCloud = ({ region }) => {
  const place: { region?: string; zone?: string } = typeof region === 'string' ? { region } : { zone: 'europe-west1-b' }
  return realCloud(
    async (basics) => {
      const fake = await FakeGce.start({
        ...basics,
        ...unkind,
        ...place,
        lags: { ...basics.lags, staggerMs },
        maxSize: 3,
        hostKeys: (id) => basics.real.hostKeys(id),
      })
      // One zone of a region never has room.
      if (place.region !== undefined) fake.settings.fullZones = [`${place.region}-b`]
      return fake
    },
    ({ url, credentials }, defer) => ({
      name: 'runners',
      project: 'fleet-project',
      ...place,
      endpoint: url,
      credentials_file: privateFile(defer, 'credentials.json', JSON.stringify(credentials)),
    }),
  )
}
