export * from '@runner-core/testkit/containers/helper-image'
