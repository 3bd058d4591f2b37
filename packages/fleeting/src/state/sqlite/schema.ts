import type { DatabaseSync } from 'node:sqlite'
import { StateError } from '../state-store.ts'

/**
 * Each step takes the file from one version to the next; steps are only ever added. The table `lease` stays as it is
 * for good: whoever waits for a fleet reads it whatever the version, and migrates only once the fleet is his.
 */
export const migrations: readonly string[] = [
  `CREATE TABLE lease (one INTEGER PRIMARY KEY CHECK (one = 1), epoch INTEGER NOT NULL, owner TEXT, beat INTEGER NOT NULL) STRICT;
   INSERT INTO lease VALUES (1, 0, NULL, 0);
   CREATE TABLE record (kind TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (kind, key)) STRICT, WITHOUT ROWID;`,
]

/**
 * The version of a file; 0: it is empty. Thrown: `StateError` when it is newer than this program, or somebody else's.
 */
export function schemaVersion(database: DatabaseSync, file: string, known: number = migrations.length): number {
  const version = Number(database.prepare('PRAGMA user_version').get()?.['user_version'])
  if (version > known)
    throw new StateError(
      'newer_schema',
      `state file ${file} has schema version ${version}, and this program supports ${known}: use the newer program`,
    )
  const tables = Number(database.prepare('SELECT count(*) AS tables FROM sqlite_schema').get()?.['tables'])
  if (version === 0 && tables > 0)
    throw new StateError('corrupt', `state file ${file} is not a state file of this program; nothing was changed`)
  return version
}

/** Brings a file up to date, within the caller's transaction. */
export function migrate(database: DatabaseSync, file: string, steps: readonly string[] = migrations): void {
  const version = schemaVersion(database, file, steps.length)
  for (const step of steps.slice(version)) database.exec(step)
  if (version < steps.length) database.exec(`PRAGMA user_version = ${steps.length}`)
}
