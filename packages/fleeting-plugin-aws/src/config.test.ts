import { describe, expect, test } from 'vitest'
import { parseConfig } from './config.ts'

describe('plugin_config', () => {
  test('a name is enough', () => {
    expect(parseConfig({ name: 'runners' })).toEqual({ name: 'runners', launchMode: 'set_desired_capacity' })
  })

  test('every key', () => {
    const config = {
      name: 'runners',
      region: 'eu-west-1',
      profile: 'ci',
      config_file: '/etc/runner/aws-config',
      credentials_file: '/etc/runner/aws-credentials',
      endpoint: 'http://127.0.0.1:5000',
      launch_mode: 'launch_instances',
      credentials: 'user-data',
    }
    expect(parseConfig(config)).toEqual({
      name: 'runners',
      region: 'eu-west-1',
      profile: 'ci',
      configFile: '/etc/runner/aws-config',
      credentialsFile: '/etc/runner/aws-credentials',
      endpoint: 'http://127.0.0.1:5000',
      launchMode: 'launch_instances',
      credentials: 'user-data',
    })
  })

  test('every problem is told, by its key', () => {
    const wrong = { region: 5, endpoint: 'ftp://x', launch_mode: 'now', credentials: 'magic', asg: 'runners' }
    let message = ''
    try {
      parseConfig(wrong)
    } catch (error) {
      expect(error).toMatchObject({ code: 'invalid_config' })
      message = (error as Error).message
    }
    for (const key of ['name', 'region', 'endpoint', 'launch_mode', 'credentials', 'asg'])
      expect(message).toContain(key)
  })
})
