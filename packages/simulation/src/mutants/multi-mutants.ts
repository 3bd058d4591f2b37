import type { Mutant } from './mutant.ts'

const at = (file: string): string => `packages/fleeting/src/multi/${file}.ts`

/** Guards of a fleet that is made of several groups. */
export const multiMutants: readonly Mutant[] = [
  {
    name: 'a group that cannot be read is listed as empty',
    breaks: 1,
    file: at('group-member'),
    find: '    signal.throwIfAborted()\n    return this.#rows',
    replace: '    signal.throwIfAborted()\n    return this.#failure === undefined ? this.#rows : []',
  },
  {
    name: 'one answer of a group counts as often as the fleet is listed',
    breaks: 1,
    file: at('multi-group'),
    find: 'return this.#readAt.get(name)?.(ownId(name, id))',
    replace: 'return this.#readAt.has(name) ? undefined : undefined',
  },
  {
    name: 'what one group has accepted is asked of the next one too',
    breaks: 3,
    file: at('multi-launcher'),
    find: 'const counted = parts.reduce((sum, { accepted }) => sum + accepted, 0)',
    replace: 'const counted = 0',
  },
  {
    name: 'a launch in a group that gave no answer is asked of the next one too',
    breaks: 3,
    file: at('launch-journal'),
    find: "part.answer = 'lost'\n    part.lostAt = now",
    replace: 'if (now > 0) this.settle(part, 0)',
  },
  {
    name: 'a group whose answer was lost, and that lists nothing, is not asked again under the token',
    breaks: 3,
    file: at('multi-launcher'),
    find: '    await this.#askAgain(launchToken, signal)\n',
    replace: '',
  },
  {
    name: 'a machine without a token passes for a launch in a group that tells tokens',
    breaks: 2,
    file: at('launch-journal'),
    find: '!this.#tellTokens.has(member) && ',
    replace: '',
  },
  {
    name: 'a group that cannot be read is asked for machines',
    breaks: 5,
    file: at('group-member'),
    find: '      ...(unreadable !== undefined && { unreadable }),\n',
    replace: '',
  },
  {
    name: 'a group that refused is asked again at once',
    breaks: 5,
    file: at('group-member'),
    find: 'this.#availability = afterRefusal(before, namedError(error, this.name), clock.now(), noCapacityMs)',
    replace: 'void afterRefusal(before, namedError(error, this.name), clock.now(), noCapacityMs)',
  },
]
