import { isGroupError } from '@runner-core/fleeting'
import { describe, expect, test } from 'vitest'
import { parseConfig } from './config.ts'

describe('parseConfig', () => {
  test('has a default for everything', () => {
    expect(parseConfig(undefined)).toMatchObject({
      maxSize: Number.POSITIVE_INFINITY,
      shell: '/bin/sh',
      bootDelayMs: 0,
    })
  })

  test('names every problem at once', () => {
    try {
      parseConfig({ max_size: 0, root_dir: 'homes', shell: 'bash', boot_delay: 5 })
      expect.unreachable()
    } catch (error) {
      expect(isGroupError(error) && error.code).toBe('invalid_config')
      expect((error as Error).message.split('\n')).toEqual([
        'plugin_config.max_size: expected a whole number, at least 1, got 0',
        'plugin_config.root_dir: expected an absolute path, got "homes"',
        'plugin_config.shell: expected the absolute path of a shell on this machine, got "bash"',
        'plugin_config.boot_delay: expected no such key (did you mean boot_delay_ms?), got number',
      ])
    }
  })
})
