import { execFileSync } from 'node:child_process'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseVolumeSpec, type VolumeSpec } from '../settings/volume-spec.ts'
import { directoryEntries } from './directory-entries.ts'
import { type MountPlanOptions, planMounts } from './mount-plan.ts'
import { ownerName } from './volume-name.ts'

const owner = { shortToken: 'x8sR2', systemId: 's_1', projectId: 7, concurrentId: 2 }
const own = 'runner-x8sR2-project-7-concurrent-2-a7686342d31b'

const volumes = (...texts: string[]): VolumeSpec[] => texts.map((text) => parseVolumeSpec(text) as VolumeSpec)

function plan(settings: Partial<MountPlanOptions['settings']> = {}, rest: Partial<MountPlanOptions> = {}) {
  return planMounts({
    settings: { volumes: [], disableCache: false, tmpfs: {}, ...settings },
    owner,
    attempt: 'job-5',
    buildsDir: '/builds',
    keepsBuilds: true,
    isProtected: false,
    isOpen: false,
    expand: (text) => text.replace('$DIR', 'dir'),
    ...rest,
  })
}

/** Without what the names end in. */
const short = (binds: readonly string[]): string[] =>
  binds.map((bind) => bind.replace(own, 'OWN').replace(/[0-9a-f]{32}/, 'HASH'))

test('builds and caches are in volumes of runner, project and concurrent id', () => {
  expect(ownerName(owner)).toBe(own)
  const { binds, volumes, open, sharesBuilds } = plan({}, { cacheDir: '/cache' })
  expect(short(binds)).toEqual(['OWN-cache-HASH:/builds', 'OWN-cache-HASH:/cache'])
  expect(new Set(binds).size).toBe(2)
  expect(volumes.map(({ isLasting }) => isLasting)).toEqual([true, true])
  expect(binds.map((bind) => bind.split(':')[0])).toEqual(volumes.map(({ name }) => name))
  expect({ open, sharesBuilds }).toEqual({ open: ['/builds', '/cache'], sharesBuilds: false })
})

test('the next job of the same project has the same volumes, any other one has others', () => {
  const names = (changes: Partial<typeof owner>, rest: Partial<MountPlanOptions> = {}) =>
    plan({}, { owner: { ...owner, ...changes }, ...rest }).volumes.map(({ name }) => name)
  expect(names({}, { attempt: 'job-6' })).toEqual(names({}))
  for (const other of [
    names({ shortToken: 'y' }),
    names({ systemId: 's_2' }),
    names({ projectId: 8 }),
    names({ concurrentId: 3 }),
    names({}, { isProtected: true }),
    names({}, { isOpen: true }),
    names({}, { isOpen: true, isProtected: true }),
    names({}, { keepsBuilds: false }),
  ])
    expect(other).not.toEqual(names({}))
})

test('what the next job does not want is of the attempt alone', () => {
  const { binds, volumes } = plan({}, { keepsBuilds: false, cacheDir: '/cache' })
  expect(short(binds)).toEqual(['OWN-job-5-cache-HASH:/builds', 'OWN-cache-HASH:/cache'])
  expect(volumes.map(({ isLasting }) => isLasting)).toEqual([false, true])
})

test('volumes of the settings: binds as they are, destinations alone as caches, with variables', () => {
  const given = volumes('/srv/data:/data:ro,z', 'named:/n/$DIR', '/keep/$DIR')
  const { binds, volumes: made, open } = plan({ volumes: given })
  expect(short(binds)).toEqual([
    '/srv/data:/data:ro,z',
    'named:/n/dir',
    'OWN-cache-HASH:/keep/dir',
    'OWN-cache-HASH:/builds',
  ])
  expect(made).toHaveLength(2)
  expect(open).toEqual(['/keep/dir', '/builds'])
})

test('disable_cache keeps caches of one job, cache_dir keeps them in a directory of the machine', () => {
  const given = volumes('/keep')
  expect(short(plan({ volumes: given, disableCache: true }, { cacheDir: '/cache' }).binds)).toEqual([
    'OWN-job-5-cache-HASH:/keep',
    'OWN-cache-HASH:/builds',
    'OWN-job-5-cache-HASH:/cache',
  ])
  const inDirectory = plan({ volumes: given, cacheDir: '/var/cache' })
  expect(short(inDirectory.binds)).toEqual(['/var/cache/OWN/HASH:/keep', '/var/cache/OWN/HASH:/builds'])
  expect(inDirectory).toMatchObject({ volumes: [], open: ['/keep', '/builds'] })
})

test.each([
  [['/srv:/builds'], true],
  [['/srv:/builds/'], true],
  [['named:/builds'], true],
  [['/srv:/build'], false],
  [['/builds'], false],
])('with the volumes %j, builds are where other jobs are too: %j', (texts, sharesBuilds) => {
  const mounts = plan({ volumes: volumes(...texts) })
  expect(mounts.sharesBuilds).toBe(sharesBuilds)
  expect(mounts.binds.filter((bind) => /:\/builds\/?$/.test(bind))).toHaveLength(1)
})

test('builds below what the configuration mounts are in that', () => {
  const mounts = plan({ volumes: volumes('/srv:/data') }, { buildsDir: '/data/builds', cacheDir: '/data/cache' })
  expect(mounts).toEqual({ binds: ['/srv:/data'], volumes: [], open: [], sharesBuilds: true })
})

const failure = (message: RegExp) =>
  expect.objectContaining({
    code: 'invalid_job',
    reason: 'runner_configuration_error',
    message: expect.stringMatching(message),
  })

test.each([
  ['../../etc', /a path in it has "\.\."/],
  ['a:rw', /it is more than a destination/],
  ['a:/etc', /it is more than a destination/],
  ['a\nb', /it is not of the form/],
])('a variable that makes %j of a destination is refused', (value, message) => {
  const expand = (text: string): string => text.replace('$DIR', value)
  expect(() => plan({ volumes: volumes('/srv:/data/$DIR') }, { expand })).toThrow(failure(message))
})

test('two things in one place, and builds in memory that is not shared, are refused by name', () => {
  expect(() => plan({ volumes: volumes('/a:/data', '/b:/data/') })).toThrow(
    failure(/^cannot mount "\/data" of volumes: something else is mounted there$/),
  )
  expect(() => plan({ tmpfs: { '/builds/': '' } })).toThrow(failure(/^cannot mount tmpfs "\/builds\/"/))
  expect(plan({ tmpfs: { '/builds/x': '', '/tmp': '' } }).binds).toHaveLength(1)
})

test('whatever values variables have, each bind has one destination within the one that the settings name', () => {
  const value = fc.string({ unit: fc.constantFrom('a', '/', '.', ':', ',', ' ', '\n', '$') })
  fc.assert(
    fc.property(value, (text) => {
      try {
        const [bind] = plan(
          { volumes: volumes('/srv:/data/$DIR') },
          { expand: (each) => each.replace('$DIR', () => text) },
        ).binds
        const [source, destination, ...more] = bind!.split(':')
        expect({ source, more }).toEqual({ source: '/srv', more: [] })
        expect(`${destination}/`).toMatch(/^\/data\//)
      } catch (error) {
        if ((error as { readonly code?: string }).code !== 'invalid_job') throw error
      }
    }),
  )
})

test('directories are told to tar with modes and names of any length', () => {
  const long = `/${'n'.repeat(150)}/x`
  const archive = directoryEntries([
    { path: '/a/b/', mode: 0o777, mtimeMs: 1.7e12 },
    { path: long, mode: 0o755, mtimeMs: 0 },
  ])
  const list = execFileSync('tar', ['-tv', '--utc', '--full-time'], { input: archive, encoding: 'utf8' })
  expect(
    list
      .trim()
      .split('\n')
      .map((line) => line.split(/\s+/)),
  ).toEqual([
    ['drwxrwxrwx', '0/0', '0', '2023-11-14', '22:13:20', 'a/b/'],
    ['drwxr-xr-x', '0/0', '0', '1970-01-01', '00:00:00', `${long.slice(1)}/`],
  ])
})

test('a job of another user than root has a build directory of its own kind, and the caches that all have', () => {
  const [builds, caches] = plan({}, { cacheDir: '/cache', isOpen: true }).volumes
  const [buildsOfRoot, cachesOfRoot] = plan({}, { cacheDir: '/cache' }).volumes
  expect(builds).not.toEqual(buildsOfRoot)
  expect(caches).toEqual(cachesOfRoot)
})
