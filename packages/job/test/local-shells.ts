import { existsSync } from 'node:fs'
import type { LocalShell } from '@runner-core/testkit/jobs/local-environment'

const candidates: readonly (LocalShell & { readonly needs: string })[] = [
  { name: 'bash', shell: 'bash', needs: '/bin/bash' },
  { name: 'dash', shell: 'sh', sh: '/bin/dash', needs: '/bin/dash' },
  {
    name: 'busybox sh with nothing but busybox',
    shell: 'sh',
    sh: '/bin/busybox',
    busyboxOnly: true,
    needs: '/bin/busybox',
  },
  { name: 'bash named sh', shell: 'sh', sh: '/bin/bash', needs: '/bin/bash' },
]

/** The shells of this machine. bash and a POSIX sh are everywhere where these tests run. */
export const localShells: readonly LocalShell[] = candidates.filter(({ needs }) => existsSync(needs))
