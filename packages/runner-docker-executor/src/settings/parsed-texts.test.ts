import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseDevice } from './devices.ts'
import { parseEngineAddress } from './engine-address.ts'
import { parseGpus } from './gpus.ts'
import { parseCpus, parseMemorySize, parseSwapSize } from './sizes.ts'
import { parseLimits } from './ulimits.ts'
import { parseVolumeSpec } from './volume-spec.ts'

const gpu = { deviceIds: [], capabilities: ['gpu'], options: {} }

test.each([
  ['all', { ...gpu, count: -1 }],
  ['2', { ...gpu, count: 2 }],
  ['count=3', { ...gpu, count: 3 }],
  ['device=0', { ...gpu, deviceIds: ['0'] }],
  ['"device=0,GPU-1"', { ...gpu, deviceIds: ['0', 'GPU-1'] }],
  [
    'driver=nvidia,"capabilities=compute,utility"',
    { ...gpu, count: 1, driver: 'nvidia', capabilities: ['compute', 'utility', 'gpu'] },
  ],
  ['all,"options=a=1,b=2"', { ...gpu, count: -1, options: { a: '1', b: '2' } }],
  ['two', undefined],
  ['count=1,device=0', undefined],
  ['all,all', undefined],
  ['speed=9', undefined],
  ['"device=0', undefined],
  ['options=a', undefined],
  [' ', undefined],
])('GPUs %j', (text, expected) => {
  expect(parseGpus(text)).toEqual(expected)
})

test.each([
  ['unix:///var/run/docker.sock', { socketPath: '/var/run/docker.sock' }],
  ['tcp://10.0.0.1', { hostname: '10.0.0.1', port: 2375, isSecure: false }],
  ['tcp://docker:2376', { hostname: 'docker', port: 2376, isSecure: true }],
  ['tcp://[::1]:80/', { hostname: '::1', port: 80, isSecure: false }],
  ['https://docker', { hostname: 'docker', port: 2376, isSecure: true }],
  ['http://docker:443', { hostname: 'docker', port: 443, isSecure: false }],
  ['unix://docker.sock', undefined],
  ['tcp://', undefined],
  ['tcp://host:99999', undefined],
  ['tcp://u:p@host', undefined],
  ['ssh://host', undefined],
  ['docker:2375', undefined],
])('an Engine at %s', (text, expected) => {
  expect(parseEngineAddress(text)).toEqual(expected)
})

test.each([
  ['300000', 300_000],
  ['128m', 134_217_728],
  ['1.5 GiB', 1_610_612_736],
  ['2TB', 2_199_023_255_552],
  ['10b', 10],
  ['-1', undefined],
  ['m', undefined],
  ['1e3', undefined],
])('a size of %j', (text, expected) => {
  expect(parseMemorySize(text)).toBe(expected)
  expect(parseSwapSize(text)).toBe(text === '-1' ? -1 : expected)
})

test.each([
  ['2', 2e9],
  ['0.5', 5e8],
  ['3/2', 1.5e9],
  ['1/0', undefined],
  ['-1', undefined],
  ['all', undefined],
])('%j CPUs', (text, expected) => {
  expect(parseCpus(text)).toBe(expected)
})

test('devices and limits have their short forms', () => {
  expect(parseDevice('/dev/a:/dev/b')).toEqual({ hostPath: '/dev/a', containerPath: '/dev/b', permissions: 'rwm' })
  expect(['a', '/dev/a:b', '/dev/a:/b:x', '/dev/a:/b:r:w', ''].map(parseDevice)).toEqual(Array(5).fill(undefined))
  expect(parseLimits('-1')).toEqual({ soft: -1, hard: -1 })
  expect(['', '1:', ':1', 'a', '1:2:3'].map(parseLimits)).toEqual(Array(5).fill(undefined))
})

test.each([
  ['/cache', { destination: '/cache', options: [] }],
  ['/srv/a:/b:ro,Z,rslave', { source: '/srv/a', destination: '/b', options: ['ro', 'Z', 'rslave'] }],
  ['name_1.x:/$CI_PROJECT_PATH/y', { source: 'name_1.x', destination: '/$CI_PROJECT_PATH/y', options: [] }],
  ['/a:/b:ro:z', { source: '/a', destination: '/b', options: ['ro', 'z'] }],
])('the volume %s', (text, expected) => {
  expect(parseVolumeSpec(text)).toEqual(expected)
})

test.each([
  ['', /form/],
  ['cache', /form/],
  ['a:b', /form/],
  ['./a:/b', /form/],
  ['/a:/b:ro:/c', /form/],
  ['/a\0:/b', /form/],
  ['/a/..:/b', /"\.\."/],
  ['/a:/b/../../c', /"\.\."/],
  ['/a:/', /root directory/],
  ['/a://', /form/],
  ['/a:/.', /root directory/],
  ['/a:/b:rx', /"rx" is no option/],
  ['/a:/b:ro,rw', /exclude each other/],
])('the volume %j is refused', (text, why) => {
  expect(parseVolumeSpec(text)).toEqual(expect.stringMatching(why))
})

test('whatever text is a volume, it mounts nothing on the root and nothing through ".."', () => {
  const part = fc.constantFrom('/', '..', '.', 'a', ':', ',', 'ro', '$X', '\n', ' ')
  fc.assert(
    fc.property(fc.array(part, { maxLength: 12 }), (parts) => {
      const spec = parseVolumeSpec(parts.join(''))
      if (typeof spec === 'string') return
      expect(spec.destination).toMatch(/^\/.*[^/.]/s)
      expect([spec.source, spec.destination].flatMap((path) => path?.split('/') ?? [])).not.toContain('..')
    }),
  )
})
