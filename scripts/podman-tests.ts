const executor = 'packages/runner-docker-executor/test'

/** What passes with Podman. The guide lists why other tests of the executor do not. */
export const podmanTests: readonly string[] = [
  `${executor}/docker-environment.integration.test.ts`,
  `${executor}/remove-attempt.integration.test.ts`,
]
