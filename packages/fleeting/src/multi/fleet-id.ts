export const memberNameRule = 'letters, digits, -, _ and .'

export function isMemberName(name: string): boolean {
  return /^[\w.-]+$/.test(name)
}

/** The member's name ends at the first `/`, which no name has: so ids of nested groups are unambiguous too. */
export function fleetId(member: string, own: string): string {
  return `${member}/${own}`
}

/** The member that an id names; empty when it names none. */
export function ownerName(id: string): string {
  return id.slice(0, Math.max(0, id.indexOf('/')))
}

export function ownId(member: string, id: string): string {
  return id.slice(member.length + 1)
}
