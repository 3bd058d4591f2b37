import { expect, test } from 'vitest'
import { parseConfig } from './config.ts'

test('parseConfig has defaults, and names every problem at once', () => {
  expect(parseConfig(undefined)).toEqual({ image: 'runner-core-sshd', maxSize: Number.POSITIVE_INFINITY })
  expect(parseConfig({ image: 'mine:1', max_size: 4 })).toEqual({ image: 'mine:1', maxSize: 4 })
  expect(() => parseConfig({ imag: 'mine', max_size: 'ten' })).toThrow(
    [
      'plugin_config.max_size: expected a whole number, at least 1, got "ten"',
      'plugin_config.imag: expected no such key (did you mean image?), got string',
    ].join('\n'),
  )
})
