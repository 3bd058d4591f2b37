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
      'Azure launches more machines than requested and removes some of them again, which may be running a job by then'
    warn('overprovision_on', message, `${update} overprovision=false`)
  }
  const upgradeMode = set.upgradePolicy?.mode
  if (upgradeMode !== undefined && upgradeMode !== 'Manual') {
    const message = `with the upgrade policy ${upgradeMode} Azure restarts or replaces machines after a change of the model, even under a running job`
    warn('upgrade_policy_not_manual', message, `${update} upgradePolicy.mode=Manual`)
  }
  if (set.automaticRepairsPolicy?.enabled === true) {
    const message = 'Azure replaces machines that it considers unhealthy, even under a running job'
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
      'Azure launches nothing that would spread machines unevenly: one zone without capacity stops all launches'
    warn('zone_balance_strict', message, `${update} zoneBalance=false, or create the set again without it`)
  }
  if (set.resiliencyPolicy?.automaticZoneRebalancingPolicy?.enabled === true) {
    const message = 'Azure moves machines between zones and deletes those it moves, even under a running job'
    warn('zone_rebalancing_on', message, `${update} resiliencyPolicy.automaticZoneRebalancingPolicy.enabled=false`)
  }
  const { tags = {} } = set
  if (taggedFleet(tags) !== undefined && !isTaggedFor(tags, fleet)) {
    const message = `the fleet ${taggedFleet(tags)} was the last to launch here, and a scale set must belong to one fleet alone`
    warn(
      'set_of_other_fleet',
      message,
      `give this fleet a scale set of its own; once the other has ended: az vmss update --name ${name} --resource-group GROUP --remove tags.${fleetTag}`,
    )
  }
  const { priority, evictionPolicy } = set.virtualMachineProfile ?? {}
  if (priority === 'Spot' && evictionPolicy !== 'Delete') {
    const message = 'evicted spot machines stay in the set, stopped but partly billed, and look as if they were running'
    warn('spot_deallocates', message, 'create the set again with --eviction-policy Delete: it cannot be changed later')
  }
  const setting = autoscale.find(
    ({ properties }) =>
      properties?.enabled !== false && properties?.targetResourceUri?.toLowerCase() === set.id?.toLowerCase(),
  )
  if (setting !== undefined) {
    const message = `the autoscale setting ${setting.name} also changes the size and chooses which machines are removed`
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
      'Azure gives out no keys of running machines, and connector_config has none: no machine can be logged in to'
    warn(
      'no_credentials',
      message,
      'set connector_config.key_path to the private key whose public half is in the osProfile of the set',
      'error',
    )
  }
  return findings
}
