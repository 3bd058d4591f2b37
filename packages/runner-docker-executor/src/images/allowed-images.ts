import { JobError, PathPattern, PathPatternError } from '@runner-core/job'
import { fullImageName, ImageNameError, parseImageReference } from './image-reference.ts'

export interface ImageUse {
  readonly list: 'allowed_images' | 'allowed_services'
  /** See {@link matchesImageList}. Empty: every image may be used. */
  readonly patterns: readonly string[]
  /** As the job names it, with variables expanded. */
  readonly image: string
  /** Images that the configuration itself names, with variables expanded: a job may always use them. */
  readonly ofConfiguration: readonly string[]
}

/** Patterns of a list that a message contains. */
const maxShown = 50

/** Thrown: `JobError` `not_allowed` when the job may not use the image. The message contains the list. */
export function checkImageAllowed({ list, patterns, image, ofConfiguration }: ImageUse): void {
  if (patterns.length === 0 || ofConfiguration.includes(image) || matchesImageList(patterns, image)) return
  const shown = patterns.slice(0, maxShown).join(', ')
  const more = patterns.length > maxShown ? `, and ${patterns.length - maxShown} more` : ''
  const what = list === 'allowed_images' ? 'images' : 'services'
  throw new JobError(
    'not_allowed',
    // Upstream's reason, although the configuration is the cause.
    'runner_system_failure',
    `the ${JSON.stringify(image.slice(0, 1024))} image is not present on list of allowed ${what} (${list} of the runner): ${shown}${more}`,
  )
}

/**
 * Whether an image may run privileged, where the configuration has containers privileged: by
 * `allowed_privileged_images` or `allowed_privileged_services`.
 */
export function mayBePrivileged(patterns: readonly string[], image: string): boolean {
  return patterns.length === 0 || matchesImageList(patterns, image)
}

/**
 * Whether a list matches the image as it is written: `ruby:*` matches neither `ruby` nor `docker.io/library/ruby:3`.
 * `*` stands for anything but a slash, `**` between slashes for anything.
 *
 * A pattern that begins with `!` excludes images, wherever it stands in the list. Upstream documents this, but matches
 * the `!` literally. An exclusion also applies to the image's full name and to the name without `docker.io/`, so that
 * another spelling does not evade it. An invalid pattern matches nothing.
 */
export function matchesImageList(patterns: readonly string[], image: string): boolean {
  const isExcluded = patterns.some(
    (pattern) => pattern.startsWith('!') && spellings(image).some((each) => matches(pattern.slice(1), each)),
  )
  return !isExcluded && patterns.some((pattern) => !pattern.startsWith('!') && matches(pattern, image))
}

/** Describes each invalid pattern of a list, for the reader of the configuration. */
export function imageListProblems(patterns: readonly string[]): string[] {
  return patterns.flatMap((pattern) => {
    try {
      void new PathPattern(pattern.replace(/^!/, ''))
      return []
    } catch (error) {
      return [`${JSON.stringify(pattern)}: ${(error as Error).message}`]
    }
  })
}

function matches(pattern: string, image: string): boolean {
  try {
    return new PathPattern(pattern).matches(image)
  } catch (error) {
    if (error instanceof PathPatternError) return false
    throw error
  }
}

function spellings(image: string): string[] {
  try {
    const reference = parseImageReference(image)
    if (reference.kind === 'id') return [image]
    const full = fullImageName(reference)
    return [image, full, full.replace(/^docker\.io\//, ''), full.replace(/^docker\.io\/library\//, '')]
  } catch (error) {
    if (error instanceof ImageNameError) return [image]
    throw error
  }
}
