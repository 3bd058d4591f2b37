import { spawnSync } from 'node:child_process'

/** Whose things on an Engine are meant. */
export interface Owner {
  /** What names of its runners begin with, and our labels. */
  readonly name: string
  /** Eight letters: its tokens begin with them, after `glrt-`, and the names of what is kept for later jobs. */
  readonly shortToken: string
}

const kinds = [
  ['container', 'ls', '-a'],
  ['network', 'ls'],
  ['volume', 'ls'],
] as const

/** Containers, networks and volumes of a runner's jobs, ours or a stock gitlab-runner's, as `docker rm` takes them. */
export function leftovers({ name, shortToken }: Owner): readonly (readonly [kind: string, name: string])[] {
  return kinds.flatMap(([kind, ...args]) => {
    const [field, ours] = [kind === 'container' ? '.Names' : '.Name', '{{.Label "dev.runner-core.fleet"}}']
    const { stdout } = spawnSync('docker', [kind, ...args, '--format', `{{${field}}} ${ours}`], { encoding: 'utf8' })
    return stdout
      .split('\n')
      .filter((line) => line.startsWith(`runner-${shortToken}`) || line.split(' ')[1]?.startsWith(name))
      .map((line) => [kind, line.split(' ')[0]!] as const)
  })
}

/** Removes them. */
export function removeLeftovers(owner: Owner): void {
  for (const [kind, name] of leftovers(owner))
    spawnSync('docker', kind === 'container' ? ['rm', '-f', '-v', name] : [kind, 'rm', name], { stdio: 'ignore' })
}
