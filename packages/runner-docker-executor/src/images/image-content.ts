import { fullImageName, ImageNameError, parseImageReference } from './image-reference.ts'

/** What an image is called as content of an instance, however its name is written. Undefined: the name is none. */
export function imageContent(image: string): string | undefined {
  try {
    const reference = parseImageReference(image)
    return reference.kind === 'id' ? reference.name : fullImageName(reference)
  } catch (error) {
    if (error instanceof ImageNameError) return undefined
    throw error
  }
}
