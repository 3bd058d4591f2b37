import { ArchiveError } from './archive-error.ts'

/** Longest path and longest name that Linux takes, bytes. */
const longestPath = 4095
const longestName = 255

/**
 * The path of an entry from the bytes of its name: `./a//b/` is `a/b`, and the directory itself that the archive is
 * unpacked in is ''.
 *
 * Thrown: {@link ArchiveError} `unsafe` when the name leads elsewhere or into the repository's own `.git`, holds what
 * would make it another name for somebody else (control characters; drives and `..` for those who take `\` for a
 * separator), or is no UTF-8.
 */
export function entryPath(name: Buffer): string {
  const text = decodeName(name)
  const refuse = (why: string): never => {
    throw new ArchiveError('unsafe', `the archive is refused: the name ${JSON.stringify(shortened(text))} ${why}`)
  }
  if (text === '') refuse('is empty')
  if (text.startsWith('/')) refuse('is absolute')
  checkForWindows(text, refuse)
  const names = text.split('/').filter((part) => part !== '' && part !== '.')
  if (names.includes('..')) refuse('leads out of the directory')
  if (names.some((part) => Buffer.byteLength(part) > longestName) || name.length > longestPath) refuse('is too long')
  // Git runs what stands in hooks and in its configuration. Some file systems make no difference between upper and
  // lower case.
  if (names[0]?.toLowerCase() === '.git') refuse("is part of the repository's own .git")
  return names.join('/')
}

/**
 * The target of a symbolic link from its bytes. Where it leads to is another question. Thrown: {@link ArchiveError}
 * `unsafe`.
 */
export function linkTarget(path: string, bytes: Buffer): string {
  const refuse = (why: string): never => {
    throw new ArchiveError(
      'unsafe',
      `the archive is refused: the symbolic link ${JSON.stringify(shortened(path))} ${why}`,
    )
  }
  if (bytes.length === 0) refuse('leads nowhere')
  if (bytes.length > longestPath) refuse('has a target that is too long')
  const target = decodeName(bytes)
  checkForWindows(target, (why) => refuse(`has a target that ${why}`))
  return target
}

function decodeName(bytes: Buffer): string {
  const text = bytes.toString()
  const refuse = (why: string): never => {
    throw new ArchiveError('unsafe', `the archive is refused: the name ${JSON.stringify(shortened(text))} ${why}`)
  }
  if (!Buffer.from(text).equals(bytes)) refuse('is not UTF-8')
  // A NUL ends a name for the system, a line feed ends it in a list.
  if (/[\0-\x1f\x7f]/.test(text)) refuse('holds a control character')
  return text
}

function checkForWindows(text: string, refuse: (why: string) => never): void {
  if (/^[A-Za-z]:/.test(text)) refuse('begins with a drive')
  if (text.startsWith('\\')) refuse('is absolute')
  const hasBackslash = (part: string): boolean => part.includes('\\')
  if (text.split('/').some((part) => hasBackslash(part) && part.split('\\').includes('..')))
    refuse('leads out of the directory')
}

function shortened(text: string): string {
  return text.length > 200 ? `${text.slice(0, 200)}…` : text
}
