import type { StepName } from '../steps.ts'
import { containerMutants } from './container-mutants.ts'
import { machineMutants, runnerMutants } from './job-mutants.ts'
import { multiMutants } from './multi-mutants.ts'
import type { Mutant } from './mutant.ts'
import { journalMutants, provisionerMutants } from './provisioner-mutants.ts'
import { staticMutants } from './static-mutants.ts'
import { taskscalerMutants } from './taskscaler-mutants.ts'

export { type Hunted, huntAll } from './hunt.ts'
export type { Mutant } from './mutant.ts'

const kills: readonly StepName[] = ['killNow', 'killBefore', 'killAfter']
const managers: readonly StepName[] = ['succeed', 'freezeNow', 'freezeBefore', 'freezeAfter']
const disks: readonly StepName[] = ['diskFull', 'stateLost', 'stateLate', 'stateLocked', ...kills]

const places: readonly StepName[] = [
  'leavingJob',
  'stubbornJob',
  'cancelJob',
  'hangingJob',
  'cutNetwork',
  'mendNetwork',
  'isolate',
  ...kills,
]

const boxes: readonly StepName[] = [
  'engineCut',
  'engineDown',
  'networkJob',
  'serviceJob',
  'afterJob',
  'cancelJob',
  'longJob',
  ...kills,
]

/** By part of a file's name, what must happen for its guards to matter; the first that fits. */
const focuses: readonly (readonly [string, readonly StepName[]])[] = [
  ['plugin-static', ['hostCut', 'schedule', ...kills]],
  ['multi/', ['memberDown', 'memberWithoutRoom', 'memberListsFail', 'loseAnswer', 'hang', 'lists', 'refuse']],
  ['memory-state-store', managers],
  ['disappearance', ['lists', 'hide', 'vanish', 'cutNetwork', 'mendNetwork', 'schedule']],
  ['reconcile', ['lists', 'hide', 'deletesIgnored', 'deletesStuck']],
  ['remov', ['deletesIgnored', 'deletesStuck', 'refuse', 'loseAnswer', 'keep', 'schedule', ...kills]],
  ['launch', ['loseAnswer', 'refuse', 'hang', 'throttle', 'fewer', 'launchLost', 'bootsFail', ...kills]],
  ['requests', ['loseAnswer', 'hang', 'launchLost', 'throttle', ...kills]],
  ['group-caller', ['throttle', 'hang', 'refuse']],
  ['lister', ['refuse', 'throttle', 'hang', 'loseAnswer']],
  ['intents', disks],
  ['journal', disks],
  ['usage-records', [...disks, 'guest']],
  ['restore-lent', kills],
  [
    'fleet-slots',
    ['leavingJob', 'stubbornJob', 'cancelJob', 'cutNetwork', 'mendNetwork', 'isolate', 'force', ...kills],
  ],
  ['slot-', ['guest', 'preempt', 'cancelJob', 'force', ...kills]],
  ['wait-queue', ['guest', 'cancelJob']],
  ['allocator', ['guest', 'cancelJob', 'throttle']],
  ['taskscaler', ['guest', 'cancelJob', 'leavingJob', 'stubbornJob', ...disks]],
  ['explain-wait', ['throttle', 'launchLost', 'bootStuck']],
  ['take-over', kills],
  ['job-supervisor', [...disks, 'wire']],
  ['fleet-departure', managers],
  ['gitlab/', ['wire', 'outage', 'cancelJob', ...kills]],
  ['ends/', ['wire', 'outage', ...kills]],
  ['job-checkpoints', ['wire', 'outage', 'cancelJob', 'succeed', ...kills]],
  ['active-job', ['wire', 'outage', 'cancelJob', 'succeed', ...kills]],
  ['job-journal', kills],
  ['runner-docker-executor', boxes],
  ['runner-executor', places],
  ['runner-instance-executor', places],
  ['packages/job/', ['cutNetwork', 'mendNetwork', 'isolate', ...kills]],
  ['provisioner', ['foreign', 'resize', 'force', 'hide', 'keep', ...kills]],
]

/** Every guard of a promise, taken away. */
export const mutants: readonly Mutant[] = [
  ...provisionerMutants,
  ...multiMutants,
  ...staticMutants,
  ...journalMutants,
  ...taskscalerMutants,
  ...runnerMutants,
  ...machineMutants,
  ...containerMutants,
].map((mutant) => ({ focus: focuses.find(([part]) => mutant.file.includes(part))?.[1] ?? [], ...mutant }))
