import type { Finding } from '@runner-core/fleeting'
import type { InstanceGroupManager, Metadata } from './compute-api.ts'
import { defaultMaxSize, type GceConfig } from './config.ts'
import { isOn } from './metadata.ts'

/** What was read of a group's set-up. */
export interface GroupSetup {
  readonly group: InstanceGroupManager
  /**
   * Of the template and, before it, of the group's configuration for all instances. Undefined: it could not be read.
   */
  readonly template: Metadata | undefined
  /** Undefined: it could not be read. */
  readonly project: Metadata | undefined
}

/** What is wrong with a group's set-up, or could be better. */
export function findings(
  { group, template, project }: GroupSetup,
  config: GceConfig,
  usesStaticCredentials: boolean,
): readonly Finding[] {
  const { status, updatePolicy, instanceLifecyclePolicy, autoHealingPolicies = [], listManagedInstancesResults } = group
  const { defaultActionOnFailure = 'REPAIR', onFailedHealthCheck = 'DEFAULT_ACTION' } = instanceLifecyclePolicy ?? {}
  const heals =
    onFailedHealthCheck === 'REPAIR' ||
    (onFailedHealthCheck === 'DEFAULT_ACTION' && defaultActionOnFailure === 'REPAIR')
  const where = config.scope.kind === 'zones' ? `--zone=${config.scope.name}` : `--region=${config.scope.name}`
  const gcloud = (command: string, flags: string): string =>
    `gcloud compute instance-groups managed ${command} ${config.name} ${where}${flags && ` ${flags}`}`
  const setMetadata = (item: string): string =>
    `make an instance template with --metadata=${item} and set it: ${gcloud('set-instance-template', '--template=TEMPLATE')}`
  const checks: readonly (false | Finding)[] = [
    status?.autoscaler !== undefined && {
      code: 'autoscaler_attached',
      severity: 'error',
      message: `an autoscaler changes the size of the group too, and chooses which machines go: ${status.autoscaler}`,
      fix: gcloud('stop-autoscaling', ''),
    },
    updatePolicy?.type === 'PROACTIVE' && {
      code: 'update_policy_proactive',
      severity: 'error',
      message: 'a change of the template replaces machines, busy ones too',
      fix: gcloud('update', '--update-policy-type=opportunistic'),
    },
    // In a region it is the default.
    config.scope.kind === 'regions' &&
      updatePolicy?.instanceRedistributionType !== 'NONE' && {
        code: 'redistribution_proactive',
        severity: 'error',
        message:
          'machines, including busy ones, are deleted and created in another zone to balance the zones; and instances with given names may be refused',
        fix: gcloud('update', '--instance-redistribution-type=none'),
      },
    defaultActionOnFailure === 'REPAIR' && {
      code: 'repair_on_failure',
      severity: 'warning',
      message: 'a machine that fails or is preempted is created again under its name, whether or not it is needed',
      fix: gcloud('update', '--default-action-on-vm-failure=do-nothing'),
    },
    autoHealingPolicies.length > 0 &&
      (heals || defaultActionOnFailure === 'DO_NOTHING') && {
        code: 'autohealing_on',
        severity: heals ? 'error' : 'info',
        message: heals
          ? 'a machine that fails the health check is created again, even under running jobs'
          : 'the group has a health check, which has no effect here',
        fix: gcloud('update', '--clear-autohealing'),
      },
    listManagedInstancesResults !== 'PAGINATED' && {
      code: 'list_pageless',
      severity: 'info',
      message: 'all instances are listed in one response, which can get large',
      fix: gcloud('update', '--list-managed-instances-results=paginated'),
    },
    config.maxSize > defaultMaxSize[config.scope.kind] && {
      code: 'max_size_above_default',
      severity: 'warning',
      message: `plugin_config.max_size is ${config.maxSize}; a group can have ${defaultMaxSize[config.scope.kind]} unless Google has raised its limit`,
      fix: 'ask Google for a higher limit, or lower max_size',
    },
    !usesStaticCredentials &&
      isOn('enable-oslogin', template, project) && {
        code: 'os_login_on',
        severity: 'error',
        message: 'OS Login is on, so machines ignore the SSH keys in their metadata',
        fix: setMetadata('enable-oslogin=FALSE'),
      },
    !isOn('enable-guest-attributes', template, project) && {
      code: 'host_keys_not_published',
      severity: 'info',
      message: 'machines do not publish their host keys, so the first key that each presents is trusted',
      fix: setMetadata('enable-guest-attributes=TRUE'),
    },
    (template === undefined || project === undefined) && {
      code: 'metadata_not_readable',
      severity: 'info',
      message: `the metadata of the ${template === undefined ? 'instance template' : 'project'} cannot be read, so OS Login may be on unnoticed`,
      fix: 'grant compute.instanceTemplates.get and compute.projects.get',
    },
  ]
  return checks.filter((check) => check !== false)
}
