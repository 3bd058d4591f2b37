/** Instances of which one call of `DescribeInstances` is asked. */
export const maxDescribed = 200
/** Instances that are terminated at a time. */
export const maxTerminated = 100
