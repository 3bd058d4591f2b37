import { type LaunchAllowance, type LaunchState, launchAllowance } from '@runner-core/fleeting/provisioner'

/** The first placement where something may be launched now; if there is none, the one that opens first. */
export function choosePlacement(
  launches: LaunchState,
  placements: readonly string[],
): { readonly placement: string | undefined; readonly allowance: LaunchAllowance } {
  const choices = (placements.length > 0 ? placements : [undefined]).map((placement) => ({
    placement,
    allowance: launchAllowance(launches, placement),
  }))
  const opensAt = ({ allowance }: { allowance: LaunchAllowance }): number =>
    allowance.count > 0 ? 0 : (allowance.until ?? Number.POSITIVE_INFINITY)
  return choices.reduce((best, choice) => (opensAt(choice) < opensAt(best) ? choice : best))
}
