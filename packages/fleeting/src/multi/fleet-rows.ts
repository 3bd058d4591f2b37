import { asGroupError } from '../contract/errors.ts'
import type { ListedInstance } from '../contract/instance-group.ts'
import { namedError } from './contained-error.ts'
import { fleetId } from './fleet-id.ts'

/** What holds launches back must concern the one placement only; the rest of the fleet goes on. */
export function fleetRows(member: string, rows: readonly ListedInstance[]): readonly ListedInstance[] {
  return rows.map(({ error, ...row }) => {
    const own = error === undefined ? undefined : asGroupError(error)
    const isPlacements = own?.code === 'capacity' || own?.code === 'quota'
    const detail = row.detail ?? own?.message
    return {
      ...row,
      id: fleetId(member, row.id),
      placement: member,
      ...(detail !== undefined && { detail }),
      ...(own !== undefined && isPlacements && { error: namedError(own, member) }),
    }
  })
}
