import { type ConnectorConfig, type Finding, fleetTag, isTaggedFor, taggedFleet } from '@runner-core/fleeting'
import type { ScaleSet } from './scale-set.ts'

/** An autoscale setting of Azure Monitor, as far as it matters here. */
export interface AutoscaleSetting {
  readonly name?: string
  readonly properties?: { readonly enabled?: boolean; readonly targetResourceUri?: string }
}

/** What of the set's set-up works against the runner, or against jobs. */
export function findingsOf(
  set: ScaleSet,
  autoscale: readonly AutoscaleSetting[],
  connector: ConnectorConfig,
  fleet: string,
): Finding[] {
  const name = set.name ?? 'NAME'
  const update = `az vmss update --name ${name} --resource-group GROUP --set`
  const findings: Finding[] = []
  const warn = (code: string, message: string, fix: string, severity: Finding['severity'] = 'warning'): void =>
    void findings.push({ code, severity, message, fix })

  if (set.overprovision === true) {
    const message =
      'Azure launches more machines than were asked for and removes some again, which may have a job by then'
    warn('overprovision_on', message, `${update} overprovision=false`)
  }
  const upgradeMode = set.upgradePolicy?.mode
  if (upgradeMode !== undefined && upgradeMode !== 'Manual') {
    const message = `with the upgrade policy ${upgradeMode} Azure restarts or replaces machines after a change of the model, whatever runs on them`
    warn('upgrade_policy_not_manual', message, `${update} upgradePolicy.mode=Manual`)
  }
  if (set.automaticRepairsPolicy?.enabled === true) {
    const message = 'Azure replaces machines that it thinks unhealthy, whatever runs on them'
    warn('automatic_repairs_on', message, `${update} automaticRepairsPolicy.enabled=false`)
  }
  if (set.singlePlacementGroup === true) {
    const message = 'a single placement group can have at most 100 machines'
    warn('single_placement_group', message, `${update} singlePlacementGroup=false`, 'info')
  }
  if (set.spotRestorePolicy?.enabled === true) {
    const message = 'Azure launches evicted spot machines again without being asked'
    warn('spot_restore_on', message, `${update} spotRestorePolicy.enabled=false`)
  }
  if (set.zoneBalance === true) {
    const message =
      'Azure launches nothing that would spread machines unevenly: one zone without room ends all launches'
    warn('zone_balance_strict', message, `${update} zoneBalance=false, or make the set anew without it`)
  }
  if (set.resiliencyPolicy?.automaticZoneRebalancingPolicy?.enabled === true) {
    const message = 'Azure moves machines between zones, and deletes those it moves, whatever runs on them'
    warn('zone_rebalancing_on', message, `${update} resiliencyPolicy.automaticZoneRebalancingPolicy.enabled=false`)
  }
  const { tags = {} } = set
  if (taggedFleet(tags) !== undefined && !isTaggedFor(tags, fleet)) {
    const message = `the fleet ${taggedFleet(tags)} launched here last, and a scale set is for one fleet alone`
    warn(
      'set_of_other_fleet',
      message,
      `give this fleet a scale set of its own; once the other has ended: az vmss update --name ${name} --resource-group GROUP --remove tags.${fleetTag}`,
    )
  }
  const { priority, evictionPolicy } = set.virtualMachineProfile ?? {}
  if (priority === 'Spot' && evictionPolicy !== 'Delete') {
    const message = 'evicted spot machines stay in the set, switched off and paid for in part, and look as if they ran'
    warn('spot_deallocates', message, 'make the set anew with --eviction-policy Delete: it cannot be changed later')
  }
  const setting = autoscale.find(
    ({ properties }) =>
      properties?.enabled !== false && properties?.targetResourceUri?.toLowerCase() === set.id?.toLowerCase(),
  )
  if (setting !== undefined) {
    const message = `the autoscale setting ${setting.name} changes the size as well, and picks which machines go`
    warn(
      'autoscale_setting',
      message,
      `az monitor autoscale delete --name ${setting.name} --resource-group GROUP`,
      'error',
    )
  }
  const { privateKey, password, agentSocket } = connector
  if (privateKey === undefined && password === undefined && agentSocket === undefined) {
    const message =
      'Azure hands out no keys for machines that run, and connector_config has none: no machine can be logged in to'
    warn(
      'no_credentials',
      message,
      'set connector_config.key_path to the private key whose public half is in the osProfile of the set',
      'error',
    )
  }
  return findings
}
