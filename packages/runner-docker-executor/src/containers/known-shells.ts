import type { Engine } from '../engine/engine.ts'
import { type FoundShell, findShell, shellDirectories } from './find-shell.ts'

export interface ShellQuestion {
  readonly container: string
  /** Of its image: an image with another content has another one. */
  readonly imageId: string
  /** Paths of the container that come from elsewhere than its image. Undefined: it is not known which. */
  readonly mounted: readonly string[] | undefined
}

/** Images that are remembered. */
const maxImages = 200

/** Remembers which shell an image has: to look for it, the Engine mounts the container's file system seven times. */
export class KnownShells {
  readonly #found = new Map<string, FoundShell>()

  /** As {@link findShell}. */
  async find(
    engine: Engine,
    { container, imageId, mounted }: ShellQuestion,
    signal: AbortSignal,
  ): Promise<FoundShell | undefined> {
    const isImageAlone = mounted?.some((path) => shellDirectories.some((shells) => overlaps(shells, path))) === false
    const known = isImageAlone ? this.#found.get(imageId) : undefined
    if (known !== undefined) return known
    const found = await findShell(engine, container, signal)
    if (found === undefined || !isImageAlone) return found
    const [oldest] = this.#found.keys()
    if (this.#found.size >= maxImages && oldest !== undefined) this.#found.delete(oldest)
    this.#found.set(imageId, found)
    return found
  }
}

/** Whether what is mounted on one changes what is in the other. */
function overlaps(directory: string, path: string): boolean {
  const [one, other] = [directory, path.replace(/\/+$/, '')]
  return `${one}/`.startsWith(`${other}/`) || `${other}/`.startsWith(`${one}/`)
}
