/**
 * A fake AWS for the conformance suite: `fleeting conformance aws --cloud @runner-core/cloud-fakes/aws`.
 *
 * @module
 */
import type { CreateConformanceCloud } from '@runner-core/fleeting/testing'
import { FakeAws } from '../aws/fake-aws.ts'
import { realCloud } from './real-cloud.ts'

/** Starts a fake AWS whose instances can be logged in to. Puts credentials into the environment of this process, where the SDK's default chain finds them. */
export const createConformanceCloud: CreateConformanceCloud = () =>
  realCloud(
    (basics) => FakeAws.start({ ...basics, maxSize: 3, launchRetryMs: 5000 }),
    ({ url }) => {
      Object.assign(process.env, { AWS_ACCESS_KEY_ID: 'AKIAFAKE', AWS_SECRET_ACCESS_KEY: 'fake' })
      return { name: 'runners', region: 'eu-west-1', endpoint: url }
    },
  )
