import type { Mutant } from './mutant.ts'

const group = 'packages/fleeting-plugin-static/src/group.ts'

/** Guards of hosts that are lent: what was on one is there in its next loan. */
export const staticMutants: readonly Mutant[] = [
  {
    name: 'a host that is lent again has other slots',
    breaks: 7,
    file: 'packages/runner-instance-executor/src/slots/slot-claims.ts',
    find: 'connection.machine ?? instanceId',
    replace: 'instanceId',
    focus: ['hostCut', 'stubbornJob', 'hangingJob', 'killNow', 'killAfter'],
  },
  {
    name: 'loans of an earlier process are forgotten',
    breaks: 6,
    file: group,
    find: '    this.#restore()\n',
    replace: '',
  },
]
