// Cut out of @aws-sdk/client-ec2 3.1169.0 by scripts/sdk-slice.ts; not to be edited.
// Copyright Amazon.com, Inc. or its affiliates. SPDX-License-Identifier: Apache-2.0
import type { EC2 as Whole, EC2ClientConfig } from '@aws-sdk/client-ec2'
export type EC2 = Pick<Whole, 'config' | 'destroy' | 'describeInstances' | 'describeLaunchTemplateVersions' | 'describeSpotInstanceRequests' | 'getConsoleOutput' | 'getPasswordData'>
export declare const EC2: new (config: EC2ClientConfig) => EC2
