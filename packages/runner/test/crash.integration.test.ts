import { seededRandom } from '@runner-core/fleeting/testing'
import { runCrashLoad } from '@runner-core/testkit/crash/crash-load'
import { machinesMissing } from '@runner-core/testkit/crash/machines'
import { diskTroubles, troubleKinds } from '@runner-core/testkit/crash/trouble'
import { smallDiskMissing } from '@runner-core/testkit/machine/small-disk'
import { expect, test } from 'vitest'

const diskMissing = smallDiskMissing()
if (diskMissing !== undefined) console.warn(`SKIPPED: full disks under a load of jobs: ${diskMissing}`)

test.for(['local', 'sshd', 'docker'] as const)(
  'a manager that is killed again and again on machines of kind %s loses no job, runs none twice and leaves nothing: 40 jobs, 6 kills',
  { timeout: 400_000 },
  async (machines, { skip }) => {
    const missing = await machinesMissing(machines)
    if (missing !== undefined) {
      console.warn(`SKIPPED: a killed manager on machines of kind ${machines}: ${missing}`)
      skip(missing)
    }
    const troubles = troubleKinds.filter((kind) => {
      if (diskTroubles.includes(kind) && diskMissing !== undefined) return false
      return kind !== 'machine-disk' || machines !== 'docker'
    })
    const result = await runCrashLoad({ jobs: 40, kills: 6, machines, troubles, random: seededRandom(7) })
    const nothing = {
      lost: [],
      ranTwice: [],
      overlaps: [],
      wrongTraces: [],
      violations: [],
      overMaximum: 0,
      leaked: 0,
      badEnds: [],
    }
    expect(result, result.log).toMatchObject(nothing)
    // A kill comes between at most one answer of each job under way and the note of it; a lost answer does the same.
    expect(result.unheard).toBeLessThanOrEqual(6 * 20)
  },
)
