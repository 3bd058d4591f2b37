import { createHmac } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Logger, Random } from '@runner-core/fleeting'

export interface SystemIdOptions {
  /** Where `.runner_system_id` is kept: the configuration file's folder. */
  readonly folder: string
  /** This machine's id; undefined when it has none. Default: what systemd or D-Bus wrote. */
  readonly machineId?: () => string | undefined
  readonly random: Random
  readonly logger: Logger
}

const wellFormed = /^[sr]_[0-9a-zA-Z]{12}$/
const alphanumerics = '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ'

/**
 * What tells this runner manager from others with the same token: the id in `.runner_system_id`, otherwise one made
 * from the machine's id, otherwise a random one. A new one is written to the file; where that fails, it holds for this
 * process.
 */
export function loadSystemId({ folder, machineId = systemMachineId, random, logger }: SystemIdOptions): string {
  const file = join(folder, '.runner_system_id')
  const kept = readText(file)
  if (kept !== undefined && wellFormed.test(kept)) return kept
  const made =
    fromMachine(machineId()) ??
    `r_${Array.from({ length: 12 }, () => alphanumerics[Math.floor(random() * alphanumerics.length)]).join('')}`
  try {
    writeFileSync(file, made, { mode: 0o600 })
  } catch (error) {
    logger.warn({ file, error }, 'system id not kept: GitLab will list a new runner manager after a restart')
  }
  return made
}

/** An id that no other manager has. */
export function randomSystemId(random: Random): string {
  return `r_${Array.from({ length: 12 }, () => alphanumerics[Math.floor(random() * alphanumerics.length)]).join('')}`
}

function fromMachine(machineId: string | undefined): string | undefined {
  return machineId === undefined || machineId === ''
    ? undefined
    : `s_${createHmac('sha256', machineId).update('gitlab-runner').digest('hex').slice(0, 12)}`
}

function systemMachineId(): string | undefined {
  return readText('/etc/machine-id') || readText('/var/lib/dbus/machine-id')
}

function readText(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8').trim()
  } catch {
    return undefined
  }
}
