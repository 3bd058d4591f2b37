#!/usr/bin/env sh
':' //; exec env MALLOC_ARENA_MAX=1 node --max-semi-space-size=2 --heap-growing-percent=100 --expose-gc "$0" "$@"
// The command line interface. What GitLab Runner calls for each stage of each job is a program of its own, and loads
// nothing else. A shell reads the second line, JavaScript takes it for a comment: not every `env` knows `-S`. Plain
// JavaScript that older Nodes can read, committed.
import { requireNode } from '@runner-core/fleeting/node-floor'

const [word, call, ...more] = process.argv.slice(2)
if (word === 'custom-executor' && ['config', 'prepare', 'run', 'cleanup'].includes(call) && !more.includes('--help')) {
  requireNode('runner-core')
  const { default: client } = await import('./custom-executor.cjs')
  client.main([call, ...more])
} else await import('./start.js')
