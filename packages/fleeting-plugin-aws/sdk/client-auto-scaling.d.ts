// Cut out of @aws-sdk/client-auto-scaling 3.1169.0 by scripts/sdk-slice.ts; not to be edited.
// Copyright Amazon.com, Inc. or its affiliates. SPDX-License-Identifier: Apache-2.0
import type { AutoScaling as Whole, AutoScalingClientConfig } from '@aws-sdk/client-auto-scaling'
export type AutoScaling = Pick<Whole, 'config' | 'destroy' | 'createOrUpdateTags' | 'describeAutoScalingGroups' | 'describeInstanceRefreshes' | 'describeScalingActivities' | 'launchInstances' | 'setDesiredCapacity' | 'terminateInstanceInAutoScalingGroup'>
export declare const AutoScaling: new (config: AutoScalingClientConfig) => AutoScaling
