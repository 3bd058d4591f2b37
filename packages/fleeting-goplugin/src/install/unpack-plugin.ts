import { chmod, mkdir, open, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { extract } from 'tar'
import { InstallError } from './install-error.ts'

/** Plugins are some tens of megabytes in a file or two. */
const maxBytes = 2 * 1024 ** 3
const maxFiles = 10_000

/**
 * Unpacks the layer of a plugin into `directory`, which it makes, and answers where in it the plugin's own directory
 * is. Only plain files below `plugin/` (for Windows `Files/plugin/`) are taken, as upstream does; whatever else would
 * be written, a link or a name that leads elsewhere, refuses the whole. Modes are 755 and 644, and nothing belongs to
 * others. Everything is on the disk when it resolves.
 */
export async function unpackPlugin(archive: string, directory: string): Promise<string> {
  await mkdir(directory)
  let refused: string | undefined
  let bytes = 0
  let files = 0
  try {
    await extract({
      file: archive,
      cwd: directory,
      strict: true,
      preserveOwner: false,
      filter(path, entry) {
        const type = 'type' in entry ? entry.type : ''
        if (type === 'Directory') return false
        bytes += entry.size ?? 0
        files += 1
        refused ??= whyNot(path, type)
        if (bytes > maxBytes || files > maxFiles)
          refused ??= `the archive has more than ${maxFiles} files or ${maxBytes} bytes`
        return refused === undefined
      },
    })
  } catch (cause) {
    throw new InstallError('corrupt', `the plugin's archive cannot be unpacked: ${(cause as Error).message}`, { cause })
  }
  if (refused !== undefined) throw new InstallError('unsafe', `the plugin is refused: ${refused}`)
  for (const below of ['plugin', join('Files', 'plugin')]) {
    const found = join(directory, below)
    if ((await stat(found).catch(() => undefined))?.isDirectory()) {
      await settle(found)
      return found
    }
  }
  throw new InstallError('not_a_plugin', "the plugin's archive is empty")
}

function whyNot(path: string, type: string): string | undefined {
  const shown = JSON.stringify(path.slice(0, 200))
  if (!['File', 'OldFile', 'ContiguousFile'].includes(type)) return `${shown} is not a plain file`
  const parts = path
    .replace(/^\.\//, '')
    .replace(/^Files\//, '')
    .split('/')
  if (parts.some((part) => part === '..' || part === '.' || part === '') || /[\0-\x1f\x7f\\]|^[A-Za-z]:/.test(path))
    return `the name ${shown} leads out of the directory`
  return parts.length > 1 && parts[0] === 'plugin' ? undefined : `${shown} is not in the directory plugin/`
}

/**
 * Sets modes and writes through to the disk: a machine that loses its power must not keep an empty program under a good
 * name.
 */
async function settle(directory: string): Promise<void> {
  await chmod(directory, 0o755)
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name)
    if (entry.isDirectory()) await settle(path)
    else {
      await chmod(path, ((await stat(path)).mode & 0o111) === 0 ? 0o644 : 0o755)
      const handle = await open(path, 'r+')
      try {
        await handle.sync()
      } finally {
        await handle.close()
      }
    }
  }
}
