/**
 * A fake AWS for the conformance suite: `fleeting conformance aws --cloud @runner-core/cloud-fakes/aws`.
 *
 * @module
 */
import type { CreateConformanceCloud } from '@runner-core/fleeting/testing'
import { FakeAws } from '../aws/fake-aws.ts'
import { realCloud } from './real-cloud.ts'

/**
 * Zones that fail in turn, launches in waves, short pages and a late list. A late size is played elsewhere: one that is
 * raised and lowered again before any read shows it counts as ours for minutes, and here somebody else soon writes the
 * same.
 */
const reads = { activitiesPageSize: 10, pageSize: 2, listLagMs: 100 }
const unkind = { zoneRetryMs: 200, launchWaves: { size: 2, everyMs: 100 }, ...reads }

/**
 * Starts a fake AWS whose instances can be logged in to. Puts credentials into the environment of this process, where
 * the SDK's default chain finds them.
 */
export const createConformanceCloud: CreateConformanceCloud = () =>
  realCloud(
    (basics) => FakeAws.start({ ...basics, ...unkind, maxSize: 3, launchRetryMs: 5000 }),
    ({ url }) => {
      Object.assign(process.env, { AWS_ACCESS_KEY_ID: 'AKIAFAKE', AWS_SECRET_ACCESS_KEY: 'fake' })
      return { name: 'runners', region: 'eu-west-1', endpoint: url }
    },
  )
