import type { ConnectorConfig } from '@runner-core/fleeting'
import type { IdlePolicy } from '@runner-core/taskscaler'
import type { AutoscalerSettings, ScaleThrottle, StateStorageSettings } from '../settings.ts'
import { refused, without } from './foreign-key.ts'
import {
  anyNumber,
  anyTable,
  cronPeriod,
  duration,
  fileContent,
  flag,
  nonEmptyText,
  oneOf,
  password,
  positiveDuration,
  throttleLimit,
  timeZone,
  wholeNumber,
} from './kinds.ts'
import { byDefault, list, optional, required, type TableSchema, table } from './schema.ts'

const buckets = list(anyNumber({ min: 0 }), { min: 1 })

const policyTable: TableSchema<IdlePolicy> = {
  fields: {
    periods: byDefault(
      'periods',
      ['* * * * *'],
      list(cronPeriod, { min: 1 }),
      'Five-field cron expressions, read as ranges of time: the policy is in force while one of them matches the current minute. If several policies are in force, the last one counts. If none is, no idle capacity is kept, and an instance is removed after five minutes without a job.',
    ),
    timezone: optional('timezone', timeZone, "Time zone of `periods`. Default: the system's."),
    idleCount: byDefault('idle_count', 0, wholeNumber({ min: 0 }), 'Free capacity to keep, in jobs, not instances.'),
    idleTimeMs: byDefault(
      'idle_time',
      '0s',
      duration,
      'How long an instance may be idle before it is removed. The default removes it immediately, unlike the five minutes that apply while no policy is in force.',
    ),
    scaleFactor: byDefault(
      'scale_factor',
      0,
      anyNumber({ min: 0 }),
      'Free capacity as a factor of the capacity in use: the target is the larger of `idle_count` and capacity in use × `scale_factor`.',
    ),
    scaleFactorLimit: byDefault(
      'scale_factor_limit',
      0,
      wholeNumber({ min: 0 }),
      'Maximum of capacity in use × `scale_factor`, in jobs. 0: no maximum.',
    ),
    preemptiveMode: optional(
      'preemptive_mode',
      flag,
      'true: a job is requested only when a ready slot is free; with `idle_count` 0 there never is one, which is warned of. false: a job is also requested when an instance can be launched for it. Default: true if `idle_count` is above 0.',
    ),
  },
}

const throttleTable: TableSchema<ScaleThrottle> = {
  fields: {
    perSecond: byDefault(
      'limit',
      100,
      throttleLimit,
      'New instances per second. Fractions are allowed: 0.1 is one every ten seconds. 0: 100. -1: no limit.',
    ),
    burst: optional(
      'burst',
      wholeNumber({ min: 1 }),
      'Maximum number of instances requested at once. Default: `max_instances`, or `limit` if `max_instances` is 0.',
    ),
  },
}

const connectorTable: TableSchema<ConnectorConfig> = {
  fields: {
    os: optional(
      'os',
      oneOf('linux', 'darwin', 'windows'),
      'Operating system of the instances. Default: what the plugin reports.',
    ),
    arch: optional(
      'arch',
      nonEmptyText,
      'Architecture of the instances, by its name in Go: `amd64`, `arm64`. Default: what the plugin reports.',
    ),
    protocol: optional('protocol', oneOf('ssh'), 'How to connect to instances.'),
    protocolPort: optional(
      'protocol_port',
      wholeNumber({ min: 1, max: 65_535 }),
      'Default: 22. A port in an address takes precedence.',
    ),
    username: optional('username', nonEmptyText, 'Login name. Default: what the plugin reports.'),
    password: optional('password', password, 'Password of the login.'),
    privateKey: optional('key_path', fileContent, 'Private key, PEM or OpenSSH.'),
    agentSocket: optional('agent_socket', nonEmptyText, "Path of an SSH agent's socket."),
    useStaticCredentials: byDefault(
      'use_static_credentials',
      false,
      flag,
      'true: no key is created for the fleet; only `password`, `key_path` and `agent_socket` are used.',
    ),
    useExternalAddress: byDefault(
      'use_external_addr',
      false,
      flag,
      'true: the external address of an instance is preferred. It is also used if there is no internal one.',
    ),
    keepaliveMs: byDefault(
      'keepalive',
      '30s',
      positiveDuration,
      'Silence after which a keepalive request is sent; 5 s at most while a job runs. The connection is lost after three requests without an answer, 5 s apart at most.',
    ),
    timeoutMs: byDefault('timeout', '10m', positiveDuration, 'How long connecting may take, with all retries.'),
    hostKeyChecking: byDefault(
      'host_key_checking',
      'pin',
      oneOf('strict', 'pin', 'off'),
      '`strict`: only host keys that are known beforehand. `pin`: known keys, otherwise the first key seen for an instance, which `state_dir` keeps across restarts. `off`: any key, with a warning.',
    ),
    weakAlgorithms: optional(
      'weak_algorithms',
      flag,
      'true: `ssh-rsa` and `hmac-sha1`, which rely on SHA-1, are used if an instance supports nothing better. Default: connections to such an instance fail.',
    ),
  },
}

const stateStorageTable: TableSchema<StateStorageSettings> = {
  fields: {
    enabled: byDefault(
      'enabled',
      false,
      flag,
      'Whether state is kept for this runner. A top-level `state_dir` takes precedence.',
    ),
    dir: optional('dir', nonEmptyText, 'Directory of the state. Default: `.taskscaler` in the directory of this file.'),
    keepInstanceWithAcquisitions: byDefault(
      'keep_instance_with_acquisitions',
      false,
      flag,
      'Accepted without effect: an instance with a running job is always kept, and the job resumes if it can.',
    ),
  },
}

export const autoscalerTable: TableSchema<AutoscalerSettings> = {
  foreign: {
    log_external_ip: refused('remove the key: the log of a job names its instance, not its address'),
    log_internal_ip: refused('remove the key: the log of a job names its instance, not its address'),
    reservation_throttling: without('an idle request for a job pins no instance'),
    vm_isolation: refused('remove the table: jobs have no virtual machines of their own on an instance'),
  },
  fields: {
    fleet: optional(
      'fleet',
      nonEmptyText,
      'Name of the fleet. Its instances are labelled with it and found by it, so it must be unique and must not be a secret. Default: the `name` of the runner.',
    ),
    plugin: required(
      'plugin',
      nonEmptyText,
      'Plugin of the instance group: a short name (`local`, `docker`, `static`, `aws`, `gce`, `azure`; `multi` for several groups as one), a package name, the path of a module (`./plugin.js`), or an executable made for GitLab Runner: its name on `PATH` (`fleeting-plugin-hetzner`), its path, or an installed one (`hetzner:1.2`, `hetzner@sha256:…`).',
    ),
    pluginConfig: byDefault(
      'plugin_config',
      {},
      anyTable,
      "The plugin's own settings, passed on unchanged and described in its documentation. Those of `multi`: `prefer` (`order`, `price` or `weight`; default `order`), `no_capacity_seconds` (how long a group without capacity is not tried; default 300) and a table `groups.NAME` for each group, with `plugin`, `plugin_config`, `connector_config`, `capacity_per_instance`, `max_instances`, `weight` and `price`.",
    ),
    capacityPerInstance: byDefault(
      'capacity_per_instance',
      1,
      wholeNumber({ min: 1 }),
      'Maximum number of jobs that run at once on one instance. A group of `multi` may set a lower number.',
    ),
    maxUseCount: byDefault(
      'max_use_count',
      0,
      wholeNumber({ min: 0 }),
      'Number of jobs after which an instance is replaced. 0: no limit.',
    ),
    maxInstances: byDefault(
      'max_instances',
      0,
      wholeNumber({ min: 0 }),
      "Maximum number of instances, in any state. 0: the group's own maximum.",
    ),
    instanceReadyCommand: optional(
      'instance_ready_command',
      nonEmptyText,
      'Command that must succeed on a new instance before it gets jobs. Default: connecting is enough.',
    ),
    instanceAcquireTimeoutMs: byDefault(
      'instance_acquire_timeout',
      '15m',
      positiveDuration,
      'How long a job may wait for its slot, with all attempts.',
    ),
    updateIntervalMs: byDefault(
      'update_interval',
      '1m',
      positiveDuration,
      'How often the group is read while no change is expected.',
    ),
    updateIntervalWhenExpectingMs: byDefault(
      'update_interval_when_expecting',
      '2s',
      positiveDuration,
      'How often the group is read while an instance is starting, changing or being removed.',
    ),
    deletionRetryIntervalMs: byDefault(
      'deletion_retry_interval',
      '1m',
      positiveDuration,
      'How long to wait before a removal that had no effect is requested again.',
    ),
    shutdownDeletionIntervalMs: byDefault(
      'shutdown_deletion_interval',
      '10s',
      positiveDuration,
      '`deletion_retry_interval` during shutdown.',
    ),
    shutdownDeletionRetries: byDefault(
      'shutdown_deletion_retries',
      3,
      wholeNumber({ min: 1 }),
      'Number of these intervals that the removal at shutdown may take, in addition to `shutdown_timeout`.',
    ),
    failureThreshold: byDefault(
      'failure_threshold',
      3,
      wholeNumber({ min: 1 }),
      'Number of failed connection checks, of the last five, after which an instance is replaced. From five on they must be consecutive.',
    ),
    deleteInstancesOnShutdown: byDefault(
      'delete_instances_on_shutdown',
      true,
      flag,
      'Whether the instances are removed when the process stops. GitLab Runner keeps them by default.',
    ),
    unknownInstances: byDefault(
      'unknown_instances',
      'report',
      oneOf('leave', 'report', 'remove'),
      'What to do with instances in the group that this fleet did not launch. They get no jobs and count towards `max_instances`. `leave`: nothing else. `report`: each is logged as a warning. `remove`: they are removed. A start without earlier state adopts all existing instances, and fails if they could belong to another manager; see `take_over_group`.',
    ),
    takeOverGroup: byDefault(
      'take_over_group',
      false,
      flag,
      'Whether a start may take over a group that belongs to another manager, or that has instances this fleet does not know. The other manager then stops before it deletes anything. Set it for a single start, once the other manager has ended for good. Without state, and with a plugin that cannot record an owner, every start that finds instances needs it.',
    ),
    stateStorage: optional(
      'state_storage',
      table(stateStorageTable),
      "GitLab Runner's table for keeping state. It has the same effect as `state_dir`.",
    ),
    instanceOperationTimeBuckets: optional(
      'instance_operation_time_buckets',
      buckets,
      'Upper bounds, in seconds, of the buckets of the four histograms below. A metric has the same buckets for all runners: the union of what they set.',
    ),
    instanceCreationTimeBuckets: optional(
      'instance_creation_time_buckets',
      buckets,
      'Of `fleeting_provisioner_instance_creation_time_seconds`.',
    ),
    instanceIsRunningTimeBuckets: optional(
      'instance_is_running_time_buckets',
      buckets,
      'Of `fleeting_provisioner_instance_is_running_time_seconds`.',
    ),
    instanceDeletionTimeBuckets: optional(
      'instance_deletion_time_buckets',
      buckets,
      'Of `fleeting_provisioner_instance_deletion_time_seconds`.',
    ),
    instanceReadinessTimeBuckets: optional(
      'instance_readiness_time_buckets',
      buckets,
      'Of `fleeting_taskscaler_task_instance_readiness_time_seconds`.',
    ),
    instanceLifeDurationBuckets: optional(
      'instance_life_duration_buckets',
      buckets,
      'Of `fleeting_provisioner_instance_life_duration_seconds`; `instance_operation_time_buckets` does not apply.',
    ),
    scaleThrottle: byDefault('scale_throttle', {}, table(throttleTable), 'Token bucket for new instances.'),
    connector: byDefault(
      'connector_config',
      {},
      table(connectorTable),
      'How to connect to instances. These settings take precedence over what the plugin reports. A group of `multi` may have its own, which take precedence over these.',
    ),
    policies: byDefault('policy', [], list(table(policyTable)), 'Idle policies.'),
  },
}
