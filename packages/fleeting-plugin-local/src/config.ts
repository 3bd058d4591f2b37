import { accessSync, constants, statSync } from 'node:fs'
import { isAbsolute } from 'node:path'
import { ConfigTable } from '@runner-core/fleeting'

/** `[runners.autoscaler.plugin_config]` of the plugin `local`, parsed. */
export interface LocalConfig {
  /**
   * Key `max_size`: the largest number of instances. Each is a process of about 60 MB. Default: no limit but
   * `max_instances`.
   */
  readonly maxSize: number
  /**
   * Key `root_dir`: where the group makes its directory, which holds the instances' homes. Default: the system's
   * directory for temporary files, or, with durable state, beside that.
   */
  readonly rootDir: string | undefined
  /** Key `shell`: what commands run in, an absolute path. Default `/bin/sh`. */
  readonly shell: string
  /**
   * Key `boot_delay_ms`: how long an instance stays `creating` before its process starts, to watch how a slow cloud is
   * dealt with. Default 0.
   */
  readonly bootDelayMs: number
  /**
   * Key `unowned_timeout_ms`: how long an instance lives on, with durable state, when no manager shows that it owns the
   * fleet. Default 600,000.
   */
  readonly unownedTimeoutMs: number
}

/** Thrown: `invalid_config`, with every problem. */
export function parseConfig(config: unknown): LocalConfig {
  const table = new ConfigTable(config)
  const parsed: LocalConfig = {
    maxSize: table.integer('max_size', { min: 1 }) ?? Number.POSITIVE_INFINITY,
    rootDir: table.string('root_dir'),
    shell: table.string('shell') ?? '/bin/sh',
    bootDelayMs: table.integer('boot_delay_ms', { max: 3_600_000 }) ?? 0,
    unownedTimeoutMs: table.integer('unowned_timeout_ms', { min: 100, max: 86_400_000 }) ?? 600_000,
  }
  if (parsed.rootDir !== undefined && !isAbsolute(parsed.rootDir)) table.problem('root_dir', 'an absolute path')
  if (!isExecutable(parsed.shell))
    table.problem('shell', 'the absolute path of a shell on this machine', JSON.stringify(parsed.shell))
  table.check()
  return parsed
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return isAbsolute(path) && statSync(path).isFile()
  } catch {
    return false
  }
}
