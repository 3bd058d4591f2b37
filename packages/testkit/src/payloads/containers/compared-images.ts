import { execFileSync, spawnSync } from 'node:child_process'
import { busyboxImage } from '../../containers/busybox-image.ts'
import { makeChangedImage } from '../../containers/changed-image.ts'
import { helperImage, makeHelperImage } from '../../containers/helper-image.ts'

/** Images of busybox with changes as in a Dockerfile. */
const changes = {
  /** A wrapper that says so and runs what it is given. */
  wrapped: ['ENTRYPOINT ["sh", "-c", "echo wrapped; exec \\"$@\\"", "sh"]'],
  /** A tool whose entrypoint runs no script. */
  tool: ['ENTRYPOINT ["echo", "the tool got"]'],
  /** Serves its variable `SERVED` at port 80. */
  web: [
    'ENV SERVED=web',
    'EXPOSE 80',
    'CMD ["sh", "-c", "echo served $SERVED; mkdir /www; echo $SERVED >/www/index.html; exec httpd -f -p 80 -h /www"]',
  ],
  /** Says that it has a port, and never listens. */
  silent: ['EXPOSE 5432', 'CMD ["sh", "-c", "echo I never listen; exec sleep 600"]'],
  /** Runs as somebody else than root. */
  user: ['USER 1234'],
} as const

const made = (name: string, tag: string): string => `runner-core-compared-${name}:${tag}`

/** Names of the images for the payloads in containers. */
export type ComparedImages = ReturnType<typeof comparedImages>

/** What the images of one run are called: `tag` keeps them apart from those of another at the same time. */
export function comparedImages(tag: string) {
  return {
    busybox: busyboxImage,
    /** With bash and git. */
    bash: helperImage,
    wrapped: made('wrapped', tag),
    tool: made('tool', tag),
    web: made('web', tag),
    silent: made('silent', tag),
    user: made('user', tag),
    /** At a registry that is not there. */
    nowhere: '127.0.0.1:1/runner-core-compared-nowhere:1',
    /** Not on the Engine. */
    absent: 'runner-core-compared-absent:1',
    /** On no list of what is allowed. */
    forbidden: 'somebody-elses-image:1',
  } as const
}

/**
 * Makes the images, until `cleanUp` ends. `stockHelper`: an image with upstream's helper program, of which one with the
 * same git as ours is made. Its name is returned.
 */
export async function makeComparedImages(
  tag: string,
  cleanUp: AsyncDisposableStack,
  stockHelper: string | undefined,
): Promise<string> {
  await makeHelperImage()
  for (const [name, lines] of Object.entries(changes)) {
    cleanUp.defer(() => removeImage(made(name, tag)))
    makeChangedImage(made(name, tag), ...lines)
  }
  const stockWithGit = made('helper', tag)
  if (stockHelper === undefined) return helperImage
  cleanUp.defer(() => removeImage(stockWithGit))
  execFileSync('docker', ['build', '-q', '-t', stockWithGit, '-'], {
    input: `FROM ${stockHelper} AS stock
FROM ${helperImage}
COPY --from=stock /usr/bin/gitlab-runner-helper /usr/bin/gitlab-runner-build /usr/bin/
RUN ln -s gitlab-runner-helper /usr/bin/gitlab-runner
ENTRYPOINT []
`,
    stdio: ['pipe', 'ignore', 'pipe'],
  })
  return stockWithGit
}

function removeImage(name: string): void {
  spawnSync('docker', ['rmi', '-f', name], { stdio: 'ignore' })
}
