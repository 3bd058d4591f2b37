import type { PackedFile } from '../archive/packed-file.ts'
import { type MachineTarMember, readMachineTar } from '../archive/tar/read-machine-tar.ts'
import { JobBudget } from '../job-budget.ts'
import type { FileStageWork } from './file-stage.ts'
import { packCommand } from './machine-commands.ts'
import { received } from './received.ts'

export interface SelectedFilesOptions {
  readonly environment: FileStageWork['environment']
  /** Absolute, or below `loginDirectory`. */
  readonly projectDir: string
  /** Relative to it, characters that are bytes, in order. */
  readonly paths: readonly string[]
  readonly digest: string | undefined
  /** Default: one of their own. */
  readonly budget?: JobBudget
}

/** Of one kind: a job may have made thousands. */
const maxRemarks = 10

/** Names that go to the machine at once. */
const namesAtOnce = 64 * 1024

/**
 * Files of a job that were looked for on its machine, in the order of their names. They are read anew, from the
 * machine, each time.
 */
export class SelectedFiles {
  /**
   * Of the names of all, their permissions, sizes and times (whole seconds): one word. Undefined where the machine does
   * not tell.
   */
  readonly digest: string | undefined
  readonly #options: SelectedFilesOptions
  readonly #remarks = new Set<string>()
  #moreRemarks = 0

  constructor(options: SelectedFilesOptions) {
    this.#options = options
    this.digest = options.digest
  }

  get isEmpty(): boolean {
    return this.#options.paths.length === 0
  }

  get count(): number {
    return this.#options.paths.length
  }

  /** For the trace, once they were read: what was left out. */
  get remarks(): readonly string[] {
    return this.#moreRemarks === 0 ? [...this.#remarks] : [...this.#remarks, `and ${this.#moreRemarks} more like these`]
  }

  #remark(text: string): void {
    if (this.#remarks.has(text)) return
    if (this.#remarks.size < maxRemarks) this.#remarks.add(text)
    else this.#moreRemarks += 1
  }

  /** Every directory that the files need, each after the one it is in. Thrown: `JobError` `limit_exceeded`. */
  get directories(): readonly string[] {
    const { paths, budget = new JobBudget() } = this.#options
    const needed = new Set<string>()
    for (const path of paths) {
      for (let slash = path.indexOf('/'); slash > 0; slash = path.indexOf('/', slash + 1)) {
        const directory = path.slice(0, slash)
        if (needed.has(directory)) continue
        budget.draw('bytes', slash, 'directories of artifacts and caches')
        needed.add(directory)
      }
    }
    return [...needed].sort().map((path) => Buffer.from(path, 'latin1').toString())
  }

  /** Their names, for a machine that packs them itself: each with a NUL behind it. */
  packInput(): AsyncIterable<Buffer> {
    return namesInput(this.#options.paths)
  }

  /**
   * One after the other. `outwardLinks`: whether symbolic links that lead out of the project are among them; an
   * artifact with one is refused by the job that needs it.
   */
  async *files(signal: AbortSignal, outwardLinks: 'keep' | 'leave out'): AsyncGenerator<PackedFile, void, undefined> {
    const links: string[] = []
    for await (const member of readMachineTar(this.#pack(this.#options.paths, false, signal))) {
      const path = plainPath(member.header.name)
      // busybox's tar says the bytes of a file with several names once.
      if (member.header.typeflag === '1') links.push(path.toString('latin1'))
      else yield* this.#packed(path, member, outwardLinks)
    }
    if (links.length === 0) return
    for await (const member of readMachineTar(this.#pack(links, true, signal)))
      yield* this.#packed(plainPath(member.header.name), member, outwardLinks)
  }

  *#packed(
    path: Buffer,
    { header, bytes }: MachineTarMember,
    outwardLinks: 'keep' | 'leave out',
  ): Generator<PackedFile> {
    const { typeflag, mode, mtime, size, linkname: target } = header
    const type = types[typeflag]
    if (type === undefined) return this.#remark(`File ignored: ${path.toString()}`)
    if (type === 'symlink' && outwardLinks === 'leave out' && leadsOut(path.toString(), target.toString()))
      return this.#remark(
        `${path.toString()}: the symbolic link leads out of the project, to ${target.toString()}; skipped`,
      )
    yield { path, type, mode: mode & 0o7777, mtime: Math.floor(mtime), size, target, bytes }
  }

  #pack(paths: readonly string[], alone: boolean, signal: AbortSignal): AsyncGenerator<Buffer, void, undefined> {
    const { environment, projectDir } = this.#options
    return received({
      environment,
      what: 'packing files',
      command: packCommand(projectDir, alone),
      input: namesInput(paths),
      signal,
    })
  }
}

const types: Readonly<Record<string, PackedFile['type']>> = {
  '0': 'file',
  '\0': 'file',
  '7': 'file',
  '2': 'symlink',
  '5': 'directory',
}

/** Without the `./` in front and the `/` behind a directory's. */
function plainPath(name: Buffer): Buffer {
  const start = name.subarray(0, 2).equals(Buffer.from('./')) ? 2 : 0
  const end = name.at(-1) === 0x2f ? name.length - 1 : name.length
  return name.subarray(start, Math.max(start, end))
}

/** As text: links on the way are not followed. */
function leadsOut(path: string, target: string): boolean {
  if (target.startsWith('/')) return true
  let depth = path.split('/').length - 1
  for (const name of target.split('/')) {
    if (name === '..') depth--
    else if (name !== '' && name !== '.') depth++
    if (depth < 0) return true
  }
  return false
}

async function* namesInput(paths: readonly string[]): AsyncGenerator<Buffer, void, undefined> {
  let names = ''
  for (const path of paths) {
    names += `./${path}\0`
    if (names.length < namesAtOnce) continue
    yield Buffer.from(names, 'latin1')
    names = ''
  }
  if (names !== '') yield Buffer.from(names, 'latin1')
}
