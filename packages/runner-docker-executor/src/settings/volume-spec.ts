/** One of `volumes`: what is mounted, where, and how. */
export interface VolumeSpec {
  /** A path on the Engine's machine, or the name of a volume. Absent: a volume that is made for it. */
  readonly source?: string
  /** In the container: absolute, with variables. */
  readonly destination: string
  /** In the order in which the Engine takes them: `ro`, `z`, `rslave`. */
  readonly options: readonly string[]
}

const segment = String.raw`/[^\\/:*?"<>|\r\n\0]+`
const path = `(?:(?:${segment})+/?|/)`
const name = '[a-zA-Z0-9][a-zA-Z0-9_.-]+'
const specPattern = new RegExp(`^(?:(?<source>${path}|${name}):)?(?<destination>${path})(?::(?<options>[a-zA-Z,:]+))?$`)
/** At most one of each. */
const optionGroups = [
  ['ro', 'rw', 'O'],
  ['z', 'Z'],
  ['shared', 'slave', 'private', 'rshared', 'rslave', 'rprivate'],
]

/** `[source:]/destination[:options]`, as `docker run -v`; the text says what is wrong otherwise. */
export function parseVolumeSpec(text: string): VolumeSpec | string {
  const { source, destination, options = '' } = specPattern.exec(text)?.groups ?? {}
  if (destination === undefined) return 'it is not of the form [source:]/destination[:options]'
  if ([source, destination].some((each) => each?.split('/').includes('..'))) return 'a path in it has ".."'
  if (isRoot(destination)) return 'its destination is the root directory'
  const given = options.split(/[,:]/).filter((option) => option !== '')
  const used = given.map((option) => optionGroups.findIndex((group) => group.includes(option)))
  const unknown = given[used.indexOf(-1)]
  if (unknown !== undefined) return `${JSON.stringify(unknown)} is no option of it`
  if (new Set(used).size < used.length) return 'two of its options exclude each other'
  return { ...(source !== undefined && { source }), destination, options: given }
}

function isRoot(path: string): boolean {
  return /^[/.]*$/.test(path)
}
