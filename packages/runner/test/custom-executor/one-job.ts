// A GitLab Runner with one job, in a process of its own: the arguments are a configuration and a directory. Prints the
// job's log.
import { join } from 'node:path'
import { StockRun } from './stock-runner.ts'

const [config, folder] = process.argv.slice(2) as [string, string]
const client = join(import.meta.dirname, '../../bin/custom-executor.cjs')
const run = new StockRun(
  {
    driver: [process.execPath, client],
    driverOptions: ['--config', config, '--idle-timeout', 'never', '--owner-grace', '300ms'],
    directory: join(folder, 'tmp'),
    env: process.env,
  },
  { id: 1, script: ['sleep 4321 & echo be""gun; sleep 4321'] },
)
await run.says('begun')
console.log(run.log)
await run.result
