import type { Clock, Logger } from '@runner-core/fleeting'
import { abandonedGroupDirectories, instancesIn, removeDirectory } from './directories.ts'
import { endProcessesOf } from './instance-processes.ts'

/**
 * Removes what groups left whose process was killed together with its instances: their directories, and jobs that still
 * run.
 */
export async function removeLeftovers(
  rootDir: string,
  { clock, logger }: { readonly clock: Clock; readonly logger: Logger },
): Promise<void> {
  for (const path of await abandonedGroupDirectories(rootDir, clock.wallTime())) {
    const instances = await instancesIn(path).catch(() => [])
    for (const id of instances) await endProcessesOf(id)
    await removeDirectory(path)
    logger.info({ path, instances }, 'removed what a killed group of local instances left behind')
  }
}
