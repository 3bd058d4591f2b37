/**
 * A program of its own that holds a group, with durable state or without: it launches as many instances as its argument
 * says, tells of them in one line of JSON, and stays.
 */
import { argv } from 'node:process'
import { launch, startGroup } from './local-fleet.ts'

const [, , count, config, stateDir] = argv
process.on('SIGINT', () => {})
const group = await startGroup(JSON.parse(config!) as object, stateDir)
const ids = await launch(group, Number(count))
const { signal } = new AbortController()
const infos = await Promise.all(ids.map((id) => group.connectInfo(id, signal)))
process.stdout.write(`${JSON.stringify(infos)}\n`)
setInterval(() => {}, 60_000)
