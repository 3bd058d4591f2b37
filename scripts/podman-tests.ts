const executor = 'packages/runner-docker-executor/test'

/** What runs with Podman, and passes. Tests of what it does otherwise say so and are skipped; the guide lists them. */
export const podmanTests: readonly string[] = [
  `${executor}/bad-engine.integration.test.ts`,
  `${executor}/bad-input.integration.test.ts`,
  `${executor}/container-script.integration.test.ts`,
  `${executor}/docker-environment.integration.test.ts`,
  `${executor}/open-socket.integration.test.ts`,
  `${executor}/remove-attempt.integration.test.ts`,
  `${executor}/services.integration.test.ts`,
  `${executor}/volumes.integration.test.ts`,
  'packages/runner/test/docker-jobs.integration.test.ts',
]
