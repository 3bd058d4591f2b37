// `npm run test:podman`: the tests of jobs in containers against Podman's rootful socket instead of Docker's. Says what
// was absent where nothing was run. Further arguments go to vitest.
import { spawnSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { resolve } from 'node:path'
import { busyboxImage, hasEngine, makeBusyboxImage } from '@runner-core/testkit/containers/busybox-image'
import { helperImage, makeHelperImage } from '@runner-core/testkit/containers/helper-image'
import { podmanMissing, startPodman } from '@runner-core/testkit/containers/podman-engine'
import { podmanTests } from './podman-tests.ts'

const results = resolve('node_modules/.cache/podman/results.json')
rmSync(results, { force: true })
const missing = hasEngine ? podmanMissing() : 'no Docker Engine answers, which the images are made on'
if (missing !== undefined) console.log(`  ABSENT: nothing was run against Podman, because ${missing}`)
else {
  makeBusyboxImage()
  await makeHelperImage()
  await using podman = await startPodman([busyboxImage, helperImage])
  const env = { ...process.env, DOCKER_HOST: podman.host }
  const output = ['--reporter=default', '--reporter=json', `--outputFile.json=${results}`]
  const words = process.argv.slice(2)
  const { status } = spawnSync('vitest', ['run', ...output, ...(words.length > 0 ? words : podmanTests)], {
    stdio: 'inherit',
    env,
  })
  process.exitCode = status ?? 1
}
