#!/usr/bin/env -S MALLOC_ARENA_MAX=1 node --max-semi-space-size=2 --heap-growing-percent=100 --expose-gc
// The command line interface. What GitLab Runner calls for each stage of each job is a program of its own, and loads nothing else.
// Plain JavaScript for Node 20 and later, committed.
const [word, call, ...more] = process.argv.slice(2)
if (word === 'custom-executor' && ['config', 'prepare', 'run', 'cleanup'].includes(call) && !more.includes('--help')) {
  const { default: client } = await import('./custom-executor.cjs')
  client.main([call, ...more])
} else await import('./start.js')
