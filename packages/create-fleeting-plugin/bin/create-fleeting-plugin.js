#!/usr/bin/env node
// `npm create @runner-core/fleeting-plugin NAME`: copies the template into a new folder, under the
// name of the plugin. Plain JavaScript that older Nodes can read, and nothing but `node:` imports.
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const template = fileURLToPath(new URL('../template', import.meta.url))
const usage = `usage: npm create @runner-core/fleeting-plugin NAME
NAME is what the cloud is called: lower-case letters, digits and -, for example acme`
const [asked = ''] = process.argv.slice(2)

const [major, minor] = process.versions.node.split('.').map(Number)
if (major < 22 || (major === 22 && minor < 15))
  fail(`create-fleeting-plugin: expected Node 22.15 or later, got ${process.version}`, 2)
if (asked === '--help' || asked === '-h') {
  console.log(usage)
  process.exit(0)
}
const name = asked.replace(/^fleeting-plugin-/, '')

if (!/^[a-z][a-z0-9-]{0,40}$/.test(name)) {
  fail(`${usage}; got ${JSON.stringify(asked)}`)
}
const folder = `fleeting-plugin-${name}`
if (existsSync(folder)) fail(`there is a ${folder} here already`)

for (const entry of readdirSync(template, { recursive: true, withFileTypes: true })) {
  if (!entry.isFile()) continue
  const source = join(entry.parentPath ?? entry.path, entry.name)
  // As `.in`: what npm leaves out of a package or takes for one (`.gitignore`, `package.json`).
  const target = resolve(folder, named(relative(template, source)).replace(/\.in$/, ''))
  mkdirSync(dirname(target), { recursive: true })
  writeFileSync(target, named(readFileSync(source, 'utf8')), {
    mode: dirname(target) === resolve(folder, 'bin') ? 0o755 : 0o644,
  })
}
console.log(`${folder} is there. It works already, on machines that are processes of this computer:

  cd ${folder}
  npm install
  npm test

README.md there says what comes next.`)

function named(text) {
  return text.replaceAll('__name__', name)
}

function fail(message, code = 1) {
  console.error(message)
  process.exit(code)
}
