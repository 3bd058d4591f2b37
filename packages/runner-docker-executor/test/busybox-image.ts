export * from '@runner-core/testkit/containers/busybox-image'
