import { asGroupError } from '../../contract/errors.ts'
import { alive, type ConformanceCase, ensure, shown } from './conformance-case.ts'

/** What other people, and the cloud itself, do to a group. */
export const otherPeopleCases: readonly ConformanceCase[] = [
  {
    name: 'an instance of somebody else is shown, and increase and decrease leave it alone',
    needs: { instances: 3, cloud: ['addForeign'] },
    async run(context) {
      const foreign = await context.cloud.addForeign()
      await context.until(`the foreign ${foreign}`, (rows) => alive(rows).includes(foreign))
      const [first, second] = await context.launch(2)
      await context.remove([first!])
      const rows = await context.settle()
      ensure(
        alive(rows).includes(foreign),
        `only ${first} was to be removed, but the foreign ${foreign} is gone: ${shown(rows)}`,
      )
      ensure(alive(rows).includes(second!), `only ${first} was to be removed, but ${second} is gone: ${shown(rows)}`)
    },
  },
  {
    name: 'increase adds to a size that another party has raised',
    needs: { instances: 3, cloud: ['resize'] },
    async run(context) {
      const before = alive(await context.list()).length
      await context.launch(1)
      await context.cloud.resize(1)
      await context.increase(1)
      await context.until('3 instances', (rows) => alive(rows).length >= before + 3)
      const rows = await context.settle()
      ensure(
        alive(rows).length === before + 3,
        `1 was launched, 1 added by another party, 1 launched: expected 3 more, got ${shown(rows)}`,
      )
    },
  },
  {
    name: 'decrease removes only what it names after another party has lowered the size',
    needs: { instances: 3, cloud: ['resize'] },
    async run(context) {
      const ours = await context.launch(3)
      await context.cloud.resize(-1)
      const left = await context.until('one to be gone', (rows) => {
        const there = alive(rows).filter((id) => ours.includes(id))
        return there.length === 2 && there
      })
      await context.remove([left[0]!])
      const rows = await context.settle()
      ensure(
        alive(rows).includes(left[1]!),
        `only ${left[0]} was to be removed, but ${left[1]} is gone: ${shown(rows)}`,
      )
    },
  },
  {
    name: 'an instance that vanished is not shown as running, cannot be reached, and can be removed',
    needs: { instances: 2, cloud: ['kill'] },
    async run(context) {
      const [victim, other] = await context.launch(2)
      await context.cloud.kill(victim!)
      await context.until(
        `${victim} to be no longer shown as running`,
        (rows) => !rows.some(({ id, state }) => id === victim && state === 'running'),
      )
      const code = await context.group.connectInfo(victim!, context.signal).then(
        () => 'an answer',
        (error: unknown) => asGroupError(error).code,
      )
      // Some clouds make another one in its place, under its name.
      ensure(
        code === 'not_found' || code === 'not_ready',
        `${victim} is gone; expected not_found of connectInfo, got ${code}`,
      )
      await context.remove([victim!])
      const rows = await context.settle()
      ensure(alive(rows).includes(other!), `${other} was not named, but is gone: ${shown(rows)}`)
    },
  },
]
