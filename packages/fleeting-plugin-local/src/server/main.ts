/**
 * One instance: an SSH server process. It lives as long as the channel to its group does or, where the fleet's state is
 * durable, as long as somebody owns the fleet; it takes all that it started and its directory with it.
 *
 * @module
 */
import { readFileSync } from 'node:fs'
import type { AddressInfo, Socket } from 'node:net'
import { makeInstanceDirectory, removeDirectory, removeOrphanedGroupDirectory } from '../directories.ts'
import { endProcessesOf, instanceMarker, kill } from '../instance-processes.ts'
import { outliveGroup } from './outlive-group.ts'
import type { ServerOptions, ServerReady } from './server-options.ts'
import { createSshServer } from './ssh-server.ts'
import { newHostKey } from './ssh2.ts'

const { instanceId, directory, shell, access, username } = JSON.parse(process.argv[2]!) as ServerOptions
process.title = 'fleeting-plugin-local'

const { home, temporary } = makeInstanceDirectory(directory)
const hostKey = newHostKey()
const sockets = new Set<Socket>()
const groups = new Set<number>()
const server = createSshServer({
  hostKey: hostKey.private,
  authorizedKey: 'files' in access ? () => readFileSync(access.files.keys, 'utf8') : () => access.authorizedKey,
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
  const ready: ServerReady = { port, hostKey: hostKey.public }
  const told = 'files' in access ? outliveGroup(access, ready, end) : Promise.resolve()
  void told.then(() => process.send?.(ready, () => {}))
})

let ending = false
process.on('SIGTERM', end)
if (!('files' in access)) {
  // However the group's process ends, even by SIGKILL, the channel to it ends too.
  process.on('disconnect', end)
  if (!process.connected) end()
}

function end(): void {
  if (ending) return
  ending = true
  server.close()
  for (const socket of sockets) socket.destroy()
  void clearAway().then((allEnded) => process.exit(allEnded ? 0 : 1))
}

async function clearAway(): Promise<boolean> {
  // Also what has cleared its environment, as long as it stays in its command's process group; and all that can be
  // found where there is no /proc.
  for (const group of groups) kill(-group)
  const allEnded = await endProcessesOf(instanceId)
  await removeDirectory(directory)
  if ('files' in access) await removeDirectory(access.files.record)
  else if (!process.connected) await removeOrphanedGroupDirectory(directory)
  return allEnded
}
