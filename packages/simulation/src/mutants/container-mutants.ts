import type { StepName } from '../steps.ts'
import type { Mutant } from './mutant.ts'

const kills: readonly StepName[] = ['killNow', 'killBefore', 'killAfter']
const executor = (file: string): string => `packages/runner-docker-executor/src/${file}.ts`

/** Guards of jobs in containers: whose they are, how they outlive their manager, and that nothing is left of them. */
export const containerMutants: readonly Mutant[] = [
  {
    name: 'the sweep takes the containers of jobs that run',
    breaks: 'jobs',
    file: executor('cleanup/sweep-engine'),
    find: 'if (attempt === undefined || isActive(attempt)) return false',
    replace: 'if (attempt === undefined) return false',
  },
  {
    name: 'the sweep takes what other installations made',
    breaks: 6,
    file: executor('cleanup/sweep-engine'),
    find: 'labels?.[fleetLabel] === fleet) return true',
    replace: 'labels?.[fleetLabel] !== undefined) return true',
  },
  {
    name: 'the sweep takes what is of use to others still',
    breaks: 6,
    file: executor('cleanup/sweep-engine'),
    find: ' && expiresAt < now',
    replace: '',
  },
  {
    name: 'what was made from an image of a job goes with the job',
    breaks: 6,
    file: executor('cleanup/remove-attempt'),
    find: 'isOfAttempt(names, attempt) ? [id] : []',
    replace: 'names.length > 0 ? [id] : []',
    focus: ['containerCopied', 'containerCopied', 'longJob', 'afterJob'],
  },
  {
    name: 'containers do not say which attempt they are of',
    breaks: 6,
    file: executor('cleanup/labels'),
    find: '    [attemptLabel]: attempt,\n',
    replace: '',
  },
  {
    name: 'containers of a job that is over stay',
    breaks: 6,
    file: executor('docker-executor'),
    find: 'wipe: () => this.#remove(acquisition.instanceId, link, attempt),',
    replace: 'wipe() {},',
  },
  {
    name: 'what a manager that was killed left on an Engine stays',
    breaks: 6,
    file: executor('cleanup/engine-sweeper'),
    find: 'if (record.isSwept || record.isSweeping) return undefined',
    replace: 'if (record.isSwept || record.failures === 0) return undefined',
  },
  {
    name: 'what was made for a job that could not be prepared stays',
    breaks: 6,
    file: executor('docker-executor'),
    find: '      this.#remove(instanceId, link, attempt)\n',
    replace: '',
    focus: ['engineFails', 'engineFails', 'engineSilent', 'engineDown', 'jobs', 'networkJob'],
  },
  {
    name: 'an Engine on which a removal failed counts as swept',
    breaks: 6,
    file: executor('cleanup/engine-sweeper'),
    find: '    record.isSwept = false\n',
    replace: '',
    focus: ['engineDown', 'engineDown', 'engineFails', 'engineSilent', 'cancelJob', 'networkJob'],
  },
  {
    name: 'a job that is to be resumed is swept',
    breaks: 'jobs',
    file: executor('docker-executor'),
    find: '    this.#left.hold(known.concurrentId)\n    this.#active.add(known.attempt)\n',
    replace: '    this.#left.hold(known.concurrentId)\n',
  },
  {
    name: 'a script in a container that goes on is started again',
    breaks: 'jobs',
    file: executor('containers/container-script'),
    find: 'this.#mayRun = this.#mayBeCut = this.#mayStartLate = run.resumed !== undefined',
    replace: 'this.#mayRun = this.#mayBeCut = this.#mayStartLate = false',
  },
  {
    name: 'output of a container is told again after each connection',
    breaks: 'traces',
    file: executor('containers/output-position'),
    find: 'Math.max(0, Math.min(this.#taken[stream] - before, bytes.length))',
    replace: '0',
  },
  {
    name: 'output of a container is read from its first start on',
    breaks: 'traces',
    file: executor('containers/container-script'),
    find: "startedAt: this.#startedBefore === '' ? undefined : state.startedAt,",
    replace: 'startedAt: undefined,',
    focus: ['afterJob', 'afterJob', 'engineCut', 'killNow', 'killBefore', 'killAfter'],
  },
  {
    name: 'a container that never got its script counts as one that does not take it',
    breaks: 'jobs',
    file: executor('containers/container-script'),
    find: 'if (this.#mayBeCut || (this.#mayStartLate && this.#starts < maxStarts)) {',
    replace: 'if (this.#starts > maxStarts) {',
    focus: ['afterJob', 'networkJob', 'jobs', ...kills, ...kills],
  },
  {
    name: 'the start of an earlier script counts as that of the next one',
    breaks: 'traces',
    file: executor('docker-environment'),
    find: "const startedBefore = this.#starts[index - 1] ?? ''",
    replace: "const startedBefore = ''",
    focus: ['afterJob', 'afterJob', 'engineCut', 'killNow', 'killBefore', 'killAfter'],
  },
  {
    name: 'networks of a job that is over stay',
    breaks: 6,
    file: executor('cleanup/remove-attempt'),
    find: 'return all.map(({ Id: id }) => id)',
    replace: 'return all.slice(all.length).map(({ Id: id }) => id)',
  },
  {
    name: 'containers do not say which fleet they are of',
    breaks: 6,
    file: executor('cleanup/labels'),
    find: '    [fleetLabel]: fleet,\n',
    replace: '',
  },
]
