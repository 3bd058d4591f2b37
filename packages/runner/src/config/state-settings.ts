import { dirname, isAbsolute, join, relative, resolve } from 'node:path'
import type { Problem } from './problem.ts'
import type { ReadRunner } from './read-runner.ts'
import type { Settings } from './settings.ts'

type ReadState = Partial<Pick<Settings, 'stateDir' | 'stateKeyFile'>>

/** Where a runner's state is kept: `state_dir`, or else what GitLab Runner's own table says. Undefined: nowhere. */
export function stateDirectory({ stateDir }: ReadState, runner: ReadRunner): string | undefined {
  const storage = runner.autoscaler?.stateStorage
  return stateDir ?? (storage?.enabled ? storage.dir : undefined)
}

/** The key's file when none is configured. */
export function defaultStateKeyFile(configFile: string): string {
  return join(dirname(configFile), '.runner_state_key')
}

/** The directory of `[runners.autoscaler.state_storage]` when none is configured. */
export function withStorageDirectory(runner: ReadRunner, configFile: string): ReadRunner {
  const storage = runner.autoscaler?.stateStorage
  if (storage === undefined || storage.dir !== undefined) return runner
  return {
    ...runner,
    autoscaler: { ...runner.autoscaler, stateStorage: { ...storage, dir: join(dirname(configFile), '.taskscaler') } },
  }
}

/** Whoever copies the state must not have copied the key with it. */
export function keyBesideState(settings: ReadState, runners: readonly ReadRunner[]): readonly Problem[] {
  const { stateKeyFile } = settings
  if (stateKeyFile === undefined) return []
  const directories = runners.flatMap((runner) => stateDirectory(settings, runner) ?? [])
  return directories.some((directory) => isWithin(stateKeyFile, directory))
    ? [{ path: 'state_key_file', message: 'expected a path outside the state directory, got one inside it' }]
    : []
}

function isWithin(path: string, directory: string): boolean {
  const way = relative(resolve(directory), resolve(path))
  return !way.startsWith('..') && !isAbsolute(way)
}
