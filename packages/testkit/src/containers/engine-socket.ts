const scheme = 'unix://'

/** Socket of the Engine that tests use: this machine's Docker, or the one that `DOCKER_HOST` names. */
export function engineSocket(): string {
  const host = process.env['DOCKER_HOST'] ?? `${scheme}/var/run/docker.sock`
  if (!host.startsWith(scheme)) throw new Error(`tests use an Engine by a Unix socket, not by DOCKER_HOST=${host}`)
  return host.slice(scheme.length)
}
