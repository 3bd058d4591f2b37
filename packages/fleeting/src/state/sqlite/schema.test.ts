import { DatabaseSync } from 'node:sqlite'
import { expect, it } from 'vitest'
import { migrate, migrations, schemaVersion } from './schema.ts'

it('brings a file from any earlier version to the newest, once, with what is in it', () => {
  const steps = [...migrations, "ALTER TABLE record ADD COLUMN note TEXT NOT NULL DEFAULT 'old'"]
  const database = new DatabaseSync(':memory:')
  migrate(database, 'file')
  expect(schemaVersion(database, 'file')).toBe(migrations.length)
  database.exec("INSERT INTO record VALUES ('use', 'i', '1')")
  migrate(database, 'file', steps)
  migrate(database, 'file', steps)
  expect(schemaVersion(database, 'file', steps.length)).toBe(steps.length)
  expect(database.prepare('SELECT * FROM record').all()).toEqual([{ kind: 'use', key: 'i', value: '1', note: 'old' }])
  expect(() => migrate(database, 'file')).toThrow(expect.objectContaining({ code: 'newer_schema' }))
})
