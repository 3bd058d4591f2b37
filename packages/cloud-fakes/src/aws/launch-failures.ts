/**
 * Why a launch fails, in EC2's code and in the words of a scaling activity. The words are from memory: no model has
 * them.
 */
export interface LaunchFailure {
  readonly code: string
  readonly message: string
}

export const launchFailures: Readonly<Record<'capacity' | 'quota' | 'invalid_config', LaunchFailure>> = {
  capacity: {
    code: 'InsufficientInstanceCapacity',
    message:
      'We currently do not have sufficient m7i.large capacity in the Availability Zone you requested. Our system will be working on provisioning additional capacity.',
  },
  quota: {
    code: 'VcpuLimitExceeded',
    message:
      'You have requested more vCPU capacity than your current vCPU limit of 32 allows for the instance bucket that the specified instance type belongs to.',
  },
  invalid_config: { code: 'InvalidAMIID.NotFound', message: "The image id '[ami-0123456789abcdef0]' does not exist" },
}
