import { spawnSync } from 'node:child_process'

/** Whether the Engine that tests use is Podman. */
export const isPodman: boolean = spawnSync(
  'docker',
  ['version', '--format', '{{range .Server.Components}}{{.Name}} {{end}}'],
  { encoding: 'utf8', timeout: 20_000 },
).stdout?.includes('Podman')
