/** A program of its own that holds a group: it launches as many instances as its argument says, tells of them in one line of JSON, and stays. */
import { argv } from 'node:process'
import { launch, startGroup } from './local-fleet.ts'

const [, , count, rootDir] = argv
const group = await startGroup({ root_dir: rootDir })
const ids = await launch(group, Number(count))
const { signal } = new AbortController()
const infos = await Promise.all(ids.map((id) => group.connectInfo(id, signal)))
process.stdout.write(`${JSON.stringify(infos)}\n`)
process.on('SIGINT', () => {})
setInterval(() => {}, 60_000)
