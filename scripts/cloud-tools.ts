// Programs of other people that tests run beside ours, put in place once each, outside of the repository.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'

export const validators: string = resolve('packages/testkit/validators')
export const tools: string = resolve('node_modules/.cache/cloud-validators')

/** A tool that is in place, or why it is not. */
export type Tool = { readonly path: string } | { readonly absent: string }

/** A Python: a virtual environment with the packages of requirements.txt. */
export function python(): Tool {
  const wish = join(validators, 'requirements.txt')
  const home = join(tools, 'python')
  const path = join(home, 'bin', 'python')
  return inPlace(path, [wish], () => {
    if (!works('python3', '--version')) return 'there is no python3'
    rmSync(home, { recursive: true, force: true })
    console.log("clouds: installing botocore's, Google's and moto's packages (once)")
    if (!works('python3', '-m', 'venv', home))
      return 'python3 cannot make a virtual environment (is python3-venv installed?)'
    if (!works(path, '-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '-r', wish))
      return 'pip could not install the packages'
    return undefined
  })
}

/** `make` only when the sources have changed since it was last made. */
export function inPlace(path: string, sources: readonly string[], make: () => string | undefined): Tool {
  const hash = createHash('sha256')
  for (const source of sources) hash.update(readFileSync(source))
  const wanted = hash.digest('hex')
  const stampFile = join(tools, `${basename(path)}.sha256`)
  if (existsSync(path) && existsSync(stampFile) && readFileSync(stampFile, 'utf8') === wanted) return { path }
  mkdirSync(tools, { recursive: true })
  const problem = make()
  if (problem !== undefined) return { absent: problem }
  writeFileSync(stampFile, wanted)
  return { path }
}

export function works(program: string, ...args: string[]): boolean {
  const { status, error, stderr } = spawnSync(program, args, { encoding: 'utf8' })
  if (status !== 0 && error === undefined && stderr) console.error(stderr.trim().split('\n').slice(-5).join('\n'))
  return status === 0
}
