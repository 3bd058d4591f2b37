// Packages of this checkout as users get them: packed tarballs, installed in another folder.
import { execFile } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const checkout = fileURLToPath(new URL('../../../..', import.meta.url))
const run = promisify(execFile)

/** Builds and packs copies of the packages, so that the checkout stays as it is. Answers the tarballs. */
export async function pack(stage: string, packages: readonly string[]): Promise<readonly string[]> {
  const modules = join(stage, 'node_modules')
  mkdirSync(join(modules, '@runner-core'), { recursive: true })
  for (const name of readdirSync(join(checkout, 'node_modules'))) {
    if (!['@runner-core', '.cache'].includes(name))
      symlinkSync(join(checkout, 'node_modules', name), join(modules, name))
  }
  cpSync(join(checkout, 'tsconfig.base.json'), join(stage, 'tsconfig.base.json'))
  for (const path of packages) {
    const skipped = [join(checkout, path, 'node_modules'), join(checkout, path, 'dist')]
    cpSync(join(checkout, path), join(stage, path), { recursive: true, filter: (source) => !skipped.includes(source) })
    if (existsSync(skipped[0]!)) symlinkSync(skipped[0]!, join(stage, path, 'node_modules'))
    if (path.startsWith('packages/'))
      symlinkSync(join(stage, path), join(modules, '@runner-core', path.slice('packages/'.length)))
  }
  const compiled = packages.filter(
    (path) => path.startsWith('packages/') && existsSync(join(stage, path, 'tsconfig.json')),
  )
  await run('npx', ['tsc', '-b', ...compiled], { cwd: stage })
  const tarballs = packages.map((path) => run('npm', ['pack', '--silent', join(stage, path)], { cwd: stage }))
  return (await Promise.all(tarballs)).map(({ stdout }) => join(stage, stdout.trim().split('\n').at(-1)!))
}

/**
 * Installs tarballs, and what they need, into a folder, which gets a `package.json` when it has none. Answers why it
 * cannot be done here; undefined when it is done. Thrown: what else npm meets.
 *
 * @param flags more of npm's: with `--package-lock-only` the tree is only resolved, and stands in the lock file
 */
export async function installTarballs(
  folder: string,
  tarballs: readonly string[],
  flags: readonly string[] = [],
): Promise<string | undefined> {
  if (!existsSync(join(folder, 'package.json'))) writeFileSync(join(folder, 'package.json'), '{}')
  try {
    const options = ['--no-audit', '--no-fund', '--ignore-scripts', '--prefer-offline', ...flags]
    await run('npm', ['install', ...options, ...tarballs], { cwd: folder })
    return undefined
  } catch (error) {
    if (!/ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ENETUNREACH|ENOTCACHED/.test(String(error))) throw error
    return 'the npm registry cannot be reached'
  }
}
