// A process that owns the fleet `a` of a state directory and counts up in it, one line for each number that was kept;
// with `hang`, its event loop hangs at 100. Ends when it lost the fleet.
import { SqliteStateStore } from '@runner-core/fleeting/sqlite'

const [directory = '', stallMs = '', padding = '0', hang = ''] = process.argv.slice(2)
const store = new SqliteStateStore({ directory, stallMs: Number(stallMs) })
const lease = await store.lease('a')
console.log(`owner ${lease.epoch}`)
const text = 'x'.repeat(Number(padding))
try {
  for (let count = 1; ; count += 1) {
    await lease.write([{ kind: 'acquisition', key: padding === '0' ? 'count' : String(count), value: { count, text } }])
    console.log(`kept ${count}`)
    if (hang === 'hang' && count === 100) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
  }
} catch (error) {
  const { code, message } = error as { code?: string; message: string }
  console.log(`ended ${code} ${message}`)
  if (code !== 'fenced') setInterval(() => {}, 1000)
}
