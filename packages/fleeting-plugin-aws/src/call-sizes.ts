/** Instances of which one call of `DescribeInstances` is asked. */
export const mostDescribed = 200
/** Instances that are terminated at a time. */
export const mostTerminated = 100
