/**
 * A fake AWS for the conformance suite: `fleeting conformance aws --cloud @runner-core/cloud-fakes/aws`.
 *
 * @module
 */
import type { CreateConformanceCloud } from '@runner-core/fleeting/testing'
import { FakeAws } from '../aws/fake-aws.ts'
import { realCloud } from './real-cloud.ts'

/**
 * Makes the fake difficult: zones fail in turn, launches come in waves, pages are short, and lists are late. A late
 * size is left out: a size that is raised and lowered before any read shows it counts as our own for minutes, but in
 * the suite another party soon writes the same size.
 */
const difficulties = {
  zoneRetryMs: 200,
  launchWaves: { size: 2, everyMs: 100 },
  activitiesPageSize: 10,
  pageSize: 2,
  listLagMs: 100,
}

/**
 * Starts a fake AWS whose instances can be logged in to. Sets credentials in the environment of this process, where the
 * SDK's default chain finds them.
 */
export const createConformanceCloud: CreateConformanceCloud = () =>
  realCloud(
    (basics) => FakeAws.start({ ...basics, ...difficulties, maxSize: 3, launchRetryMs: 5000 }),
    ({ url }) => {
      Object.assign(process.env, { AWS_ACCESS_KEY_ID: 'AKIAFAKE', AWS_SECRET_ACCESS_KEY: 'fake' })
      return { name: 'runners', region: 'eu-west-1', endpoint: url }
    },
  )
