import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { buildImage } from '@runner-core/fleeting-plugin-docker'

const run = promisify(execFile)

/**
 * Why no containers can be made here; undefined when they can, with the image in place. Makes the image when it is
 * missing.
 */
export async function dockerMissing(image: string): Promise<string | undefined> {
  try {
    await run('docker', ['version'])
  } catch {
    return 'no Docker daemon answers'
  }
  try {
    await run('docker', ['image', 'inspect', image])
  } catch {
    try {
      await buildImage({ image })
    } catch (error) {
      return (error as Error).message
    }
  }
  return undefined
}
