// A plugin made without Go: it speaks the protocol by the wire room of this package, its cloud is a file that outlives
// it, and it can be told to do what real plugins do at their worst. Started by fake-plugin-file.ts.
import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as grpc from '@grpc/grpc-js'
import { newSessionCertificate } from '../src/host/session-certificate.ts'
import { codec } from '../src/wire/codec.ts'
import { environmentNames, formatHandshake, magicCookie } from '../src/wire/handshake.ts'
import type { ConnectInfoResponse, InitRequest, InitResponse, WireConnectorConfig } from '../src/wire/messages.ts'
import { controllerMethods, instanceGroupMethods } from '../src/wire/methods.ts'
import type { FakeCall, FakeFaults, FakeMachine, FakePluginSettings } from './fake-plugin-file.ts'

const directory = process.env['FAKE_PLUGIN_DIRECTORY'] as string
const file = (name: string): string => join(directory, name)
const read = <T>(name: string, absent: T): T =>
  existsSync(file(name)) ? (JSON.parse(readFileSync(file(name), 'utf8')) as T) : absent
const settings = read<FakePluginSettings>('settings.json', {})

if (process.env[magicCookie.name] !== magicCookie.value) {
  console.error('This binary is a plugin.')
  process.exit(1)
}
for (const line of settings.stderr ?? []) process.stderr.write(`${line}\n`)
if (settings.exitCode !== undefined) process.exit(settings.exitCode)

const machines = (): FakeMachine[] => read<FakeMachine[]>('machines.json', [])
const keep = (list: readonly FakeMachine[]): void => writeFileSync(file('machines.json'), JSON.stringify(list))
const record = (call: FakeCall): void => appendFileSync(file('calls.jsonl'), `${JSON.stringify(call)}\n`)

let connector: WireConnectorConfig | null = null
let running = 0

const refusal = (details: string, code: number = grpc.status.UNKNOWN): Partial<grpc.StatusObject> => ({ code, details })

/**
 * What may go wrong with any call; answers the faults of the moment once the call may go on, and nothing when it is
 * over.
 */
async function begin(
  method: string,
  call: { readonly cancelled: boolean } & NodeJS.EventEmitter,
  request?: unknown,
): Promise<FakeFaults> {
  const faults = read<FakeFaults>('faults.json', {})
  running += 1
  const isSerial = !['ConnectInfo', 'Heartbeat'].includes(method)
  record({ method, request, pid: process.pid, overlapping: isSerial && running > 1 })
  try {
    if (faults.dieIn === method) process.kill(process.pid, 'SIGKILL')
    if (faults.cutIn === method) {
      server.forceShutdown()
      setTimeout(() => process.exit(1), 100)
    }
    if (faults.hang === method) {
      await new Promise<void>((resolve) => call.once('cancelled', resolve))
      record({ method: `${method} canceled`, pid: process.pid, overlapping: false })
      throw refusal('canceled', grpc.status.CANCELLED)
    }
    // Time for another call to come in between.
    await new Promise((resolve) => setTimeout(resolve, 5))
    const error = faults.errors?.[method]
    if (error !== undefined) throw refusal(error.text, error.code)
    return faults
  } finally {
    running -= 1
  }
}

type Unary<Request, Response> = (
  call: grpc.ServerUnaryCall<Request, Response>,
  callback: grpc.sendUnaryData<Response>,
) => void

function unary<Request, Response>(
  method: string,
  answer: (request: Request, faults: FakeFaults) => Response,
): Unary<Request, Response> {
  return (call, callback) => {
    void begin(method, call, call.request).then(
      (faults) => {
        try {
          const response = answer(call.request, faults)
          if (faults.dieAfter === method) process.kill(process.pid, 'SIGKILL')
          callback(null, response)
        } catch (error) {
          callback(error as grpc.ServerErrorResponse)
        }
      },
      (error: grpc.ServerErrorResponse) => callback(error),
    )
  }
}

const next: Record<number, number> = { 0: 1, 5: 6, 7: 1 }
const succeeded = codec('Succeeded')
const errorStatus = codec('ErrorStatus')

function power(method: 'Suspend' | 'Resume', state: number) {
  return unary(method, ({ instances }: { readonly instances: readonly string[] }, { powerOnly }) => {
    const done = powerOnly === undefined ? instances : instances.slice(0, powerOnly)
    const changed = new Set(done)
    keep(machines().map((machine) => (changed.has(machine.id) ? { ...machine, state } : machine)))
    if (done.length === instances.length) return { succeeded: done }
    const metadata = new grpc.Metadata()
    const detail = {
      typeUrl: `type.googleapis.com/proto.${method}Response`,
      value: succeeded.encode({ succeeded: done }),
    }
    metadata.set('grpc-status-details-bin', errorStatus.encode({ code: 2, message: 'only in part', details: [detail] }))
    throw { ...refusal('only in part'), metadata }
  })
}

const server = new grpc.Server({ 'grpc.max_receive_message_length': -1, 'grpc.max_send_message_length': -1 })
const { handshake = {} } = settings
server.addService(instanceGroupMethods as unknown as grpc.ServiceDefinition, {
  Init: unary('Init', ({ config, settings: sent }: InitRequest): InitResponse => {
    if (sent?.connectorConfig == null) process.abort()
    JSON.parse(Buffer.from(config).toString('utf8'))
    connector = sent.connectorConfig
    const { groupId = 'fake/group', maxSize = 2 ** 32 - 1, capabilities = ['suspend_resume'] } = settings
    return { id: groupId, maxSize, version: '1.2.3', buildInfo: 'by a test', capabilities }
  }),
  Update: (call: grpc.ServerWritableStream<unknown, unknown>) => {
    void begin('Update', call).then(
      ({ listFailsAfter }) => {
        const list = machines()
        for (const { id, state } of list.slice(0, listFailsAfter)) call.write({ instance: id, state })
        if (listFailsAfter !== undefined) return void call.emit('error', refusal('half of it is lost'))
        keep(
          list
            .filter(({ state }) => state !== 2)
            .map((machine) => ({ ...machine, state: next[machine.state] ?? machine.state })),
        )
        call.end()
      },
      (error) => call.emit('error', error),
    )
  },
  Increase: unary('Increase', ({ n }: { readonly n: number }, { increaseOnly }) => {
    const made = increaseOnly?.count ?? n
    const list = machines()
    const serial = (): string => `fake-${process.pid}-${process.hrtime.bigint().toString(36)}`
    keep([...list, ...Array.from({ length: made }, () => ({ id: serial(), state: 0 }))])
    if (increaseOnly !== undefined) throw refusal(increaseOnly.text)
    return { succeeded: made }
  }),
  Decrease: unary('Decrease', ({ instances }: { readonly instances: readonly string[] }, { decreaseStopsAt }) => {
    for (const id of instances) {
      const list = machines()
      if (id === decreaseStopsAt || !list.some((machine) => machine.id === id))
        throw refusal(`instance (${JSON.stringify(id)}) not found`)
      keep(list.map((machine) => (machine.id === id ? { ...machine, state: 2 } : machine)))
    }
    return { succeeded: instances }
  }),
  ConnectInfo: unary('ConnectInfo', ({ instance }: { readonly instance: string }): ConnectInfoResponse => {
    if (!machines().some(({ id }) => id === instance)) throw refusal(`instance ${instance} does not exist`)
    const { internalAddr = '', externalAddr = '', expires = 0, ...told } = settings.connectInfo ?? {}
    return { connector: connector && { ...connector, ...told }, internalAddr, externalAddr, expires }
  }),
  Heartbeat: unary('Heartbeat', () => ({})),
  Suspend: power('Suspend', 5),
  Resume: power('Resume', 7),
  Shutdown: unary('Shutdown', () => ({})),
})
server.addService(controllerMethods as unknown as grpc.ServiceDefinition, {
  Shutdown: unary('GRPCController.Shutdown', () => {
    if (!settings.staysUp) setImmediate(() => process.exit(0))
    return {}
  }),
})

const hostCertificate = process.env[environmentNames.clientCertificate]
const own = settings.tls && hostCertificate ? await newSessionCertificate(Date.now()) : undefined
const credentials =
  own === undefined
    ? grpc.ServerCredentials.createInsecure()
    : grpc.ServerCredentials.createSsl(
        Buffer.from(hostCertificate as string),
        [{ cert_chain: Buffer.from(own.certificate), private_key: Buffer.from(own.privateKey) }],
        true,
      )
const socket = join(process.env[environmentNames.socketDirectory] ?? directory, 'plugin1')
const port = await new Promise<number>((resolve, reject) => {
  const address = settings.network === 'tcp' ? '127.0.0.1:0' : `unix:${socket}`
  server.bindAsync(address, credentials, (error, bound) => (error ? reject(error) : resolve(bound)))
})
const line = formatHandshake({
  network: settings.network ?? 'unix',
  address: settings.network === 'tcp' ? `127.0.0.1:${port}` : socket,
  ...(own && { certificate: Buffer.from(own.certificate.replaceAll(/-----.*-----|\s/g, ''), 'base64') }),
})
if (!settings.isSilent) process.stdout.write(handshake.line === undefined ? line : `${handshake.line}\n`)
