// `npm run test:interop`: this project's plugins and hosts against upstream's own, built from their Go modules. Says at the end what was absent, and so was not run. Further arguments go to vitest.
import { spawnSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { resolve } from 'node:path'
import { goPrograms } from '../packages/fleeting-goplugin/test/go-programs.ts'

const results = resolve('node_modules/.cache/go-interop/results.json')
rmSync(results, { force: true })
const built = goPrograms()
const output = ['--reporter=default', '--reporter=json', `--outputFile.json=${results}`]
const { status } = spawnSync('vitest', ['run', '--project=interop', ...output, ...process.argv.slice(2)], { stdio: 'inherit' })
console.log('absent' in built ? `  ABSENT: Go plugins under this host were not run, because ${built.absent}` : '  with Go plugins under this host')
process.exitCode = status ?? 1
