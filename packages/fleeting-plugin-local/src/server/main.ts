/**
 * One instance: an SSH server process. It lives as long as the channel to its group does, and takes all that it started and its directory with it.
 *
 * @module
 */
import type { AddressInfo, Socket } from 'node:net'
import { makeInstanceDirectory, removeDirectory, removeOrphanedGroupDirectory } from '../directories.ts'
import { endProcessesOf, instanceMarker, kill } from '../instance-processes.ts'
import type { ServerOptions, ServerReady } from './server-options.ts'
import { createSshServer } from './ssh-server.ts'
import { newHostKey } from './ssh2.ts'

const { instanceId, directory, shell, authorizedKey, username } = JSON.parse(process.argv[2]!) as ServerOptions
process.title = 'fleeting-plugin-local'

const { home, temporary } = makeInstanceDirectory(directory)
const hostKey = newHostKey()
const sockets = new Set<Socket>()
const groups = new Set<number>()
const server = createSshServer({
  hostKey: hostKey.private,
  authorizedKey,
  shell,
  home,
  groups,
  environment: {
    // Nothing else of the group's own environment: it may hold secrets.
    PATH: process.env['PATH'],
    LANG: process.env['LANG'],
    HOME: home,
    TMPDIR: temporary,
    SHELL: shell,
    USER: username,
    LOGNAME: username,
    [instanceMarker]: instanceId,
  },
})
server.on('connection', (socket) => {
  sockets.add(socket)
  socket.once('close', () => sockets.delete(socket))
})
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo
  process.send?.({ port, hostKey: hostKey.public } satisfies ServerReady, () => {})
})

let ending = false
process.on('SIGTERM', end)
// However the group's process ends, even by SIGKILL, the channel to it ends too.
process.on('disconnect', end)
if (!process.connected) end()

function end(): void {
  if (ending) return
  ending = true
  server.close()
  for (const socket of sockets) socket.destroy()
  void clearAway().then((allEnded) => process.exit(allEnded ? 0 : 1))
}

async function clearAway(): Promise<boolean> {
  // Also what has cleared its environment, as long as it stays in its command's process group; and all that can be found where there is no /proc.
  for (const group of groups) kill(-group)
  const allEnded = await endProcessesOf(instanceId)
  await removeDirectory(directory)
  if (!process.connected) await removeOrphanedGroupDirectory(directory)
  return allEnded
}
