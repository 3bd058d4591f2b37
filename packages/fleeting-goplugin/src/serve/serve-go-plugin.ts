import { X509Certificate } from 'node:crypto'
import * as grpc from '@grpc/grpc-js'
import { type CreateInstanceGroup, describeError, systemClock, systemRandom } from '@runner-core/fleeting'
import { newSessionCertificate } from '../host/session-certificate.ts'
import { environmentNames, formatHandshake, magicCookie } from '../wire/handshake.ts'
import { hclogLogger } from './hclog.ts'
import { listen } from './listen.ts'
import { pluginServer } from './plugin-server.ts'
import { Printed } from './printed.ts'
import { ServedGroup } from './served-group.ts'
import { buildInfo, type VersionInfo } from './version-info.ts'

/** Hosts kill a plugin two seconds after they have asked it to end. */
const endTimeoutMs = 1500
/** Between two looks for the host. */
const hostWatchMs = 1000

/** Whether a host has started this process. */
export function isStartedByHost(environment: NodeJS.ProcessEnv = process.env): boolean {
  return environment[magicCookie.name] === magicCookie.value
}

/**
 * Turns a plugin of ours into one of upstream's: this process becomes the plugin of the host that has started it, until
 * the host ends it or is gone. From then on standard output and standard error are the protocol's; what is printed
 * reaches the host by its own stream. Rejects when no host has started this process, or nothing can be listened on.
 */
export async function serveGoPlugin(create: CreateInstanceGroup, versionInfo: VersionInfo): Promise<void> {
  const { env } = process
  if (!isStartedByHost(env))
    throw new Error(`${versionInfo.name} is a plugin and must be started by a host of fleeting plugins`)
  const handshakeOut = process.stdout.write.bind(process.stdout)
  const printed = new Printed()
  const clock = systemClock
  const logger = hclogLogger(printed.writeError, clock)
  const group = new ServedGroup({
    create,
    version: versionInfo.version,
    buildInfo: buildInfo(versionInfo),
    clock,
    random: systemRandom,
    logger,
  })

  let release = (): void => {}
  let isEnding = false
  const end = (exitCode = 0): void => {
    if (isEnding) return
    isEnding = true
    const leave = (): void => {
      release()
      process.exit(exitCode)
    }
    setTimeout(leave, endTimeoutMs)
    // One turn later, so that the answer to who asked for it is out.
    setImmediate(() => {
      group
        .shutdown()
        .catch((error: unknown) => logger.error({ error: describeError(error) }, 'the group did not shut down'))
        .finally(leave)
    })
  }
  const crash = (error: unknown): void => {
    logger.error({ error: error instanceof Error ? error.stack : String(error) }, 'the plugin failed')
    end(1)
  }
  process.on('uncaughtException', crash)
  process.on('SIGTERM', () => end())
  process.on('SIGHUP', () => end())
  // Of a terminal's Ctrl-C the host knows best.
  process.on('SIGINT', () => {})
  endWithHost(end)

  const server = pluginServer({ group, printed, onListed: collectOnce(), onEnd: end })
  const hostCertificate = env[environmentNames.clientCertificate]
  const own = hostCertificate ? await newSessionCertificate(clock.wallTime()) : undefined
  const credentials =
    own === undefined
      ? grpc.ServerCredentials.createInsecure()
      : grpc.ServerCredentials.createSsl(
          Buffer.from(hostCertificate as string),
          [{ private_key: Buffer.from(own.privateKey), cert_chain: Buffer.from(own.certificate) }],
          true,
        )
  const listening = await listen(server, credentials, env)
  release = listening.release
  handshakeOut(
    formatHandshake({
      ...listening.handshake,
      ...(own !== undefined && { certificate: new X509Certificate(own.certificate).raw }),
    }),
  )
}

/** A host that was killed tells nobody; upstream's plugins then stay for ever. */
function endWithHost(end: () => void): void {
  const host = process.ppid
  setInterval(() => {
    if (process.ppid !== host) end()
  }, hostWatchMs).unref()
}

/**
 * What starting has left stays in a heap so small, where V8 would collect nothing for hours. In a turn of its own. Only
 * where Node was started with `--expose-gc`.
 */
function collectOnce(): () => void {
  let collect = globalThis.gc
  return () => {
    void collect?.({ type: 'major', execution: 'async', flavor: 'last-resort' })
    collect = undefined
  }
}
