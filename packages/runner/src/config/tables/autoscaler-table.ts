import type { ConnectorConfig } from '@runner-core/fleeting'
import type { IdlePolicy } from '@runner-core/taskscaler'
import type { AutoscalerSettings, ScaleThrottle, StateStorageSettings } from '../settings.ts'
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
  notYet: [],
  fields: {
    periods: byDefault(
      'periods',
      ['* * * * *'],
      list(cronPeriod, { min: 1 }),
      'Five-field cron expressions, read as ranges of time: the policy is in force while the current minute matches one. Of several policies in force the last one counts; with none in force no idle capacity is kept, and an instance is removed after five minutes without work.',
    ),
    timezone: optional('timezone', timeZone, "Zone that `periods` are read in. Default: the system's."),
    idleCount: byDefault('idle_count', 0, wholeNumber({ min: 0 }), 'Free capacity to keep, in jobs, not machines.'),
    idleTimeMs: byDefault(
      'idle_time',
      '0s',
      duration,
      'How long an instance may be without work before it is removed. The default, at once, is not the five minutes that hold while no policy is in force.',
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
      'Upper bound of capacity in use × `scale_factor`, in jobs. 0: none.',
    ),
    preemptiveMode: optional(
      'preemptive_mode',
      flag,
      'true: a job is asked for only when a ready slot is free; with `idle_count` 0 none is made from rest, which warns. false: also when an instance for it can still be made. Default: true when `idle_count` is above 0.',
    ),
  },
}

const throttleTable: TableSchema<ScaleThrottle> = {
  notYet: [],
  fields: {
    perSecond: byDefault(
      'limit',
      100,
      throttleLimit,
      'New instances per second; fractions too, so 0.1 is one every ten seconds. 0: 100. -1: no limit.',
    ),
    burst: optional(
      'burst',
      wholeNumber({ min: 1 }),
      'How many may be requested at once. Default: `max_instances`, or `limit` when that is unbounded.',
    ),
  },
}

const connectorTable: TableSchema<ConnectorConfig> = {
  notYet: [],
  fields: {
    os: optional(
      'os',
      oneOf('linux', 'darwin', 'windows'),
      'Operating system of the instances. Default: what the plugin knows.',
    ),
    arch: optional(
      'arch',
      nonEmptyText,
      "Architecture of the instances, in Go's words: `amd64`, `arm64`. Default: what the plugin knows.",
    ),
    protocol: optional('protocol', oneOf('ssh'), 'How instances are reached.'),
    protocolPort: optional(
      'protocol_port',
      wholeNumber({ min: 1, max: 65_535 }),
      'Default 22. A port in an address wins.',
    ),
    username: optional('username', nonEmptyText, 'Login. Default: what the plugin knows.'),
    password: optional('password', password, 'Password of the login.'),
    privateKey: optional('key_path', fileContent, 'Private key, PEM or OpenSSH.'),
    agentSocket: optional('agent_socket', nonEmptyText, "Path of an SSH agent's socket."),
    useStaticCredentials: byDefault(
      'use_static_credentials',
      false,
      flag,
      'true: no key is made for the fleet, only `password`, `key_path` or `agent_socket` are used.',
    ),
    useExternalAddress: byDefault(
      'use_external_addr',
      false,
      flag,
      'true: prefer the external address of an instance. It is also used when there is no internal one.',
    ),
    keepaliveMs: byDefault(
      'keepalive',
      '30s',
      positiveDuration,
      'Silence after which a machine is asked for a sign of life, 5 s at most while a job runs there. It is lost after three requests without an answer, 5 s apart at most.',
    ),
    timeoutMs: byDefault('timeout', '10m', positiveDuration, 'Budget of one dial with all its retries.'),
    hostKeyChecking: byDefault(
      'host_key_checking',
      'pin',
      oneOf('strict', 'pin', 'off'),
      '`strict`: only host keys known beforehand. `pin`: known ones, otherwise the first one seen for an instance, which `state_dir` keeps over restarts. `off`: any, with a warning.',
    ),
    weakAlgorithms: optional(
      'weak_algorithms',
      flag,
      'true: `ssh-rsa` and `hmac-sha1`, which rest on SHA-1, are used where a machine knows nothing better. Default: such a machine is not reached.',
    ),
  },
}

const stateStorageTable: TableSchema<StateStorageSettings> = {
  notYet: [],
  fields: {
    enabled: byDefault(
      'enabled',
      false,
      flag,
      'Whether state is kept for this runner. `state_dir` at the top level wins.',
    ),
    dir: optional('dir', nonEmptyText, 'Directory for it. Default: `.taskscaler` beside this file.'),
    keepInstanceWithAcquisitions: byDefault(
      'keep_instance_with_acquisitions',
      false,
      flag,
      'Accepted, and without effect: an instance on which a job runs is always kept, and the job goes on where that can be.',
    ),
  },
}

export const autoscalerTable: TableSchema<AutoscalerSettings> = {
  notYet: ['log_external_ip', 'log_internal_ip', 'reservation_throttling', 'vm_isolation'],
  fields: {
    fleet: optional(
      'fleet',
      nonEmptyText,
      'Name of the fleet: what its instances are marked with and found again by, never a credential. No two runners may have the same. Default: the `name` of the runner.',
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
      "The plugin's own settings, handed to it unchanged; its documentation says which. Those of `multi`: `prefer` (`order`, `price` or `weight`; default `order`), `no_capacity_seconds` (how long a group without capacity is left alone; default 300) and a table `groups.NAME` for each group, with `plugin`, `plugin_config`, `connector_config`, `capacity_per_instance`, `max_instances`, `weight` and `price`.",
    ),
    capacityPerInstance: byDefault(
      'capacity_per_instance',
      1,
      wholeNumber({ min: 1 }),
      'Jobs that may run at once on one instance. A group of `multi` may say fewer for its own.',
    ),
    maxUseCount: byDefault(
      'max_use_count',
      0,
      wholeNumber({ min: 0 }),
      'Jobs that an instance may run before it is replaced. 0: no bound.',
    ),
    maxInstances: byDefault(
      'max_instances',
      0,
      wholeNumber({ min: 0 }),
      "The most instances that may exist, in whatever state. 0: the group's own maximum.",
    ),
    instanceReadyCommand: optional(
      'instance_ready_command',
      nonEmptyText,
      'Command that must succeed on a new instance before it is used. Default: a connection is enough.',
    ),
    instanceAcquireTimeoutMs: byDefault(
      'instance_acquire_timeout',
      '15m',
      positiveDuration,
      'How long a job may wait for its slot. One budget, not one for each try.',
    ),
    updateIntervalMs: byDefault(
      'update_interval',
      '1m',
      positiveDuration,
      'Period of reading the group while nothing is expected.',
    ),
    updateIntervalWhenExpectingMs: byDefault(
      'update_interval_when_expecting',
      '2s',
      positiveDuration,
      'Period of reading the group while an instance is expected to come, change or go.',
    ),
    deletionRetryIntervalMs: byDefault(
      'deletion_retry_interval',
      '1m',
      positiveDuration,
      'Wait before a removal that had no effect is asked for again.',
    ),
    shutdownDeletionIntervalMs: byDefault(
      'shutdown_deletion_interval',
      '10s',
      positiveDuration,
      'The same at shutdown.',
    ),
    shutdownDeletionRetries: byDefault(
      'shutdown_deletion_retries',
      3,
      wholeNumber({ min: 1 }),
      'How many such intervals the removal at shutdown may take. This time comes on top of `shutdown_timeout`.',
    ),
    failureThreshold: byDefault(
      'failure_threshold',
      3,
      wholeNumber({ min: 1 }),
      'Failed connection checks after which an instance is replaced: so many of its last five, or in a row when this is five or more.',
    ),
    deleteInstancesOnShutdown: byDefault(
      'delete_instances_on_shutdown',
      true,
      flag,
      'Whether the instances are removed when the process stops. GitLab Runner leaves them by default; here nothing stays behind unless this is false.',
    ),
    unknownInstances: byDefault(
      'unknown_instances',
      'report',
      oneOf('leave', 'report', 'remove'),
      "What becomes of instances in the group that this fleet did not make. They get no jobs and count towards `max_instances`. `leave`: nothing else. `report`: a warning for each. `remove`: they are removed. A start without kept state, or with the first that is kept, takes all that are there for its own, and is refused where they could be another manager's; see `take_over_group`.",
    ),
    takeOverGroup: byDefault(
      'take_over_group',
      false,
      flag,
      'Whether a start may take a group that another manager has, or that has instances which this fleet does not know: it then has them, and the other manager stops before it deletes anything. Set it for one start, when the other has ended for good. Without state, and with a plugin that cannot hold an owner, each start that finds instances needs it.',
    ),
    stateStorage: optional(
      'state_storage',
      table(stateStorageTable),
      "GitLab Runner's table for keeping state, read as the same wish as `state_dir`.",
    ),
    instanceOperationTimeBuckets: optional(
      'instance_operation_time_buckets',
      buckets,
      'Upper bounds, in seconds, of the buckets of the four histograms below. A metric has the same buckets for all runners: those that any of them sets.',
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
      'Of `fleeting_provisioner_instance_life_duration_seconds`; `instance_operation_time_buckets` is not for it.',
    ),
    scaleThrottle: byDefault('scale_throttle', {}, table(throttleTable), 'Token bucket for new instances.'),
    connector: byDefault(
      'connector_config',
      {},
      table(connectorTable),
      'How instances are reached. What is set here wins over what the plugin finds out. A group of `multi` may have settings of its own, which win over these.',
    ),
    policies: byDefault('policy', [], list(table(policyTable)), 'Idle policies, one or more.'),
  },
}
