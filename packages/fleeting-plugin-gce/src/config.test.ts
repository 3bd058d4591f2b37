import { describe, expect, test } from 'vitest'
import { parseConfig } from './config.ts'

const least = { name: 'runners', project: 'my-project', zone: 'europe-west1-b' }
const { zone: _, ...withoutZone } = least

describe('plugin_config', () => {
  test('needs a name, a project and a place; the rest has defaults', () => {
    expect(parseConfig(least)).toEqual({
      name: 'runners',
      project: 'my-project',
      scope: { kind: 'zones', name: 'europe-west1-b' },
      credentialsFile: undefined,
      endpoint: undefined,
      sshKeys: 'creation',
      maxSize: 1000,
    })
    expect(parseConfig({ ...withoutZone, region: 'europe-west1' })).toMatchObject({
      scope: { kind: 'regions', name: 'europe-west1' },
      maxSize: 2000,
    })
  })

  test.each([
    'https://private.example',
    'https://private.example/',
    'https://private.example//',
    'https://private.example/compute/v1/',
  ])('takes %s for the root of a private API', (endpoint) => {
    expect(parseConfig({ ...least, endpoint }).endpoint).toBe('https://private.example/')
  })

  test.each([
    ['no place', withoutZone, /^plugin_config\.zone: /],
    ['two places', { ...least, region: 'europe-west1' }, /region: expected either zone or region/],
    ['no name', { project: 'p', zone: 'a' }, /name: expected a group's name/],
    ['a path for a name', { ...least, name: 'zones/a/instanceGroupManagers/b' }, /name: expected a name/],
    ['a path for a project', { ...least, project: 'projects/p' }, /project: expected a name/],
    ['an endpoint that is none', { ...least, endpoint: 'private.example' }, /endpoint: expected an http or https URL/],
    [
      'a file that is none',
      { ...least, credentials_file: '/nonexistent/key.json' },
      /credentials_file: expected a file that can be read/,
    ],
    ['another way for keys', { ...least, ssh_keys: 'oslogin' }, /ssh_keys: expected/],
    ['no machines', { ...least, max_size: 0 }, /max_size: expected/],
    ['a key that nobody knows', { ...least, zones: 'a' }, /zones/],
  ])('with %s is refused', (_what, config, message) => {
    expect(() => parseConfig(config)).toThrow(
      expect.objectContaining({ code: 'invalid_config', message: expect.stringMatching(message) }),
    )
  })

  test.each(['12345', 'example.com:my-project'])('has a project that is called %s', (project) => {
    expect(parseConfig({ ...least, project }).project).toBe(project)
  })
})
