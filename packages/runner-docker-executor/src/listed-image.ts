import { JobError } from '@runner-core/job'
import { matchesImageList } from './images/allowed-images.ts'
import { ImageNameError, parseImageReference } from './images/image-reference.ts'
import { defaultHelperImage } from './job-plan.ts'
import type { DockerSettings } from './settings/docker-settings.ts'

export interface ListedImage {
  /** As the configuration names it. */
  readonly image: string
  /** What could be read of it. */
  readonly settings: Partial<DockerSettings>
  /** Replaces variables. Thrown: `JobError` where that is too much. */
  readonly expand: (text: string) => string
}

/** Of the Engines for which GitLab publishes its helper. */
const architectures = ['amd64', 'arm64', 'arm', 's390x', 'ppc64le', 'riscv64']

/** Why an image that instances are to have is of no use to any job, as `expected X, got Y`. Undefined: it is of use. */
export function listedImageProblem({ image, settings, expand }: ListedImage): string | undefined {
  const invalid = (why: string): string => `expected the name of an image, got ${JSON.stringify(image)}: ${why}`
  let name: string
  let own: readonly string[]
  try {
    name = expand(image)
    own = namedElsewhere(settings).map(expand)
  } catch (error) {
    if (error instanceof JobError) return invalid(error.message)
    throw error
  }
  try {
    parseImageReference(name)
  } catch (error) {
    if (!(error instanceof ImageNameError)) throw error
    return invalid(name === image ? error.reason : error.message)
  }
  const { allowedImages = [], allowedServices = [] } = settings
  const isAllowed =
    allowedImages.length === 0 ||
    own.includes(name) ||
    [allowedImages, allowedServices].some((list) => matchesImageList(list, name))
  if (isAllowed) return undefined
  return `expected an image that allowed_images or allowed_services matches, or that this table names, got ${JSON.stringify(image)}`
}

/** Images that jobs have without asking for them. */
function namedElsewhere({ image, helperImage, helperImageFlavor, services = [] }: Partial<DockerSettings>): string[] {
  const helpers =
    helperImage === undefined
      ? architectures.map((architecture) => defaultHelperImage(architecture, helperImageFlavor))
      : [helperImage]
  return [...(image === undefined ? [] : [image]), ...helpers, ...services.map(({ name }) => name)]
}
