/**
 * A fake Azure for the conformance suite: `fleeting conformance azure --cloud @runner-core/cloud-fakes/azure`.
 *
 * @module
 */
import type { CreateConformanceCloud } from '@runner-core/fleeting/testing'
import { FakeAzure } from '../azure/fake-azure.ts'
import { privateFile } from './private-file.ts'
import { realCloud } from './real-cloud.ts'

/**
 * Short pages, machines of one launch that come one after the other, a zone that never has room, and a size, an etag
 * and a list that are late; the list by less than a launch takes.
 */
const unkind = { pageSize: 2, capacityLagMs: 400, listLagMs: 60, zones: ['1', '2', '3'], zoneRetryMs: 200 }
const staggerMs = 60

/**
 * Starts a fake Azure with a Uniform scale set whose instances can be logged in to. Puts a login into the environment
 * of this process, where Azure's default credential finds it; a plugin that has no `ca_file` needs
 * `NODE_EXTRA_CA_CERTS`.
 */
export const createConformanceCloud: CreateConformanceCloud = () =>
  realCloud(
    async (basics) => {
      const fake = await FakeAzure.start({ ...basics, ...unkind, lags: { ...basics.lags, staggerMs } })
      fake.settings.fullZones = ['1']
      return fake
    },
    ({ config, env, certificate }, defer) => {
      Object.assign(process.env, env)
      return { ...config, ca_file: privateFile(defer, 'ca.pem', certificate) }
    },
  )
