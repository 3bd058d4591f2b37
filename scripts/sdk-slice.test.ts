// The committed slice of the SDK is what the locked version gives.
import { readdirSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { sliceSdk } from './sdk-slice.ts'

const folder = new URL('../packages/fleeting-plugin-aws/sdk/', import.meta.url)

test('plugin aws has the calls that it makes of the SDK as it is locked; `npm run slice -w packages/fleeting-plugin-aws` cuts them anew', async () => {
  const found = new Map(readdirSync(folder).map((name) => [name, readFileSync(new URL(name, folder), 'utf8')]))
  const wanted = await sliceSdk()
  expect([...found.keys()].toSorted()).toEqual([...wanted.keys()].toSorted())
  for (const [name, content] of wanted) expect(found.get(name) === content, name).toBe(true)
})
