// Stands for GitLab where there is none at hand: hands one job out and shows its log. The arguments are the lines of
// the job's script.
import { Coordinator } from '@runner-core/runner/testing'
import { showJob } from './show-job.ts'

const script = process.argv.slice(2)
if (script.length === 0) throw new Error('the lines of a script are missing')

// The port that first.toml names.
await using coordinator = await Coordinator.start({
  port: Number(process.env['PORT'] ?? 8929),
  traceUpdateIntervalSeconds: 1,
})
console.log(`a job waits for a runner at ${coordinator.url}\n`)
const job = coordinator.enqueue({ name: 'first', script })
await showJob(job)
console.log(`\nwhat GitLab would show: ${job.state}${job.failureReason === undefined ? '' : `, ${job.failureReason}`}`)
process.exitCode = job.state === 'success' ? 0 : 1
