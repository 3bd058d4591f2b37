import { GroupError, groupErrorCodes } from '@runner-core/fleeting'
import { expect, test } from 'vitest'
import { codec } from './codec.ts'
import { codeOfWireError, retryHintOfText } from './error-codes.ts'
import { partialRefusal, refusalOf } from './refusal.ts'

test.each(groupErrorCodes)('%s arrives at a host of ours as what it was', (code) => {
  const { code: status, text } = refusalOf(new GroupError(code, 'the moon is down'))
  expect(codeOfWireError(status, text)).toBe(code)
  expect(text).toContain('the moon is down')
})

test('the hint to wait and the causes are in the text, and what is no error of ours is transient', () => {
  const { text } = refusalOf(new GroupError('throttled', 'too fast', { retryAfterMs: 2500, cause: new Error('429') }))
  expect(text).toBe('throttled: too fast: 429, retry after 2500ms')
  expect(retryHintOfText(text)).toBe(2500)
  const { code, text: other } = refusalOf(new TypeError('x is undefined'))
  expect(codeOfWireError(code, other)).toBe('transient')
})

test('what was done beside a refusal is in its details, in the form that hosts read', () => {
  const { details } = partialRefusal('Suspend', new GroupError('quota', 'no more'), ['a', 'b'])
  const status = codec('ErrorStatus').decode(details as Buffer)
  expect(status).toMatchObject({ code: 2, details: [{ typeUrl: 'type.googleapis.com/proto.SuspendResponse' }] })
  expect(codec('Succeeded').decode(status.details[0]!.value)).toEqual({ succeeded: ['a', 'b'] })
})
