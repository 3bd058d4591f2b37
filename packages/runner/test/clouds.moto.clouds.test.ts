// `runner-core run` on moto, an AWS that others wrote, whose machines have loopback addresses that real OpenSSH servers
// answer.
import { publicKeyOf } from '@runner-core/fleeting/ssh'
import { cloudsPython, Moto, withoutPython } from '@runner-core/testkit/clouds/moto'
import { sshdMissing, startSshd } from '@runner-core/testkit/ssh/openssh-server'
import { expect, test } from 'vitest'
import { runFortyJobs } from './forty-jobs.ts'

const missing = sshdMissing()
const skipped = withoutPython === '' && missing !== undefined ? ` (SKIPPED: ${missing})` : withoutPython
if (skipped !== '') console.warn(`runner-core run on moto${skipped}`)

test.skipIf(skipped !== '')(
  `aws on moto: 40 jobs, five a machine that share one home, and every machine is ended by name${skipped}`,
  async () => {
    const network = '127.80.99'
    await using moto = await Moto.start(cloudsPython!)
    await moto.makeGroup({ name: 'runners', maxSize: 5, cidr: `${network}.0/26` })
    // Real servers at every address of the network, 16 each, which all let one key in.
    const addresses = Array.from({ length: 62 }, (_, index) => `${network}.${index + 1}`)
    await using stack = new AsyncDisposableStack()
    const sshd = await startSshd({ addresses: addresses.splice(0, 16) })
    stack.defer(() => sshd.stop())
    const authorizedKeys = [await publicKeyOf(sshd.privateKey, 'key')]
    while (addresses.length > 0) {
      const another = await startSshd({ addresses: addresses.splice(0, 16), port: sshd.port, authorizedKeys })
      stack.defer(() => another.stop())
    }
    await runFortyJobs({
      plugin: 'aws',
      pluginConfig: () => `name = "runners"\nregion = "eu-west-1"`,
      connectorConfig: `username = "${sshd.username}"\nprotocol_port = ${sshd.port}`,
      privateKey: sshd.privateKey,
      env: () => ({ AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test', AWS_ENDPOINT_URL: moto.url }),
    })
    const { AutoScalingGroups } = await moto.autoScaling.describeAutoScalingGroups({
      AutoScalingGroupNames: ['runners'],
    })
    expect(AutoScalingGroups).toMatchObject([{ DesiredCapacity: 0, Instances: [] }])
    const states = await moto.instanceStates()
    expect(states.size).toBeGreaterThanOrEqual(8)
    expect(new Set(states.values())).toEqual(new Set(['terminated']))

    const asked = (action: string) => moto.requests.filter((request) => request.get('Action') === action)
    const named = asked('TerminateInstanceInAutoScalingGroup').map((request) => request.get('InstanceId'))
    expect(new Set(named.filter((id) => id !== null))).toEqual(new Set(states.keys()))
    for (const request of asked('SetDesiredCapacity')) expect(Number(request.get('DesiredCapacity'))).toBeGreaterThan(0)
  },
)
