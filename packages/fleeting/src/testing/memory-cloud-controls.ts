import { GroupError } from '../contract/errors.ts'
import type { Finding, InstanceState } from '../contract/instance-group.ts'
import type { CloudControls, CloudFault, CloudFaultKind } from './conformance/cloud-controls.ts'
import type { MemoryCall, MemoryFault, MemoryOperation } from './memory-calls.ts'

const words: readonly InstanceState[] = ['creating', 'running', 'deleting', 'deleted', 'failed']

const autoscaler: Finding = {
  code: 'autoscaler_attached',
  severity: 'error',
  message: 'an autoscaler changes the size of the group too',
  fix: 'remove the autoscaler',
}

/** What the controls change: see `MemoryGroup`. */
interface MemoryCloud {
  bootsFailed: number
  bootError: GroupError | undefined
  readonly calls: readonly MemoryCall[]
  readonly ids: readonly string[]
  fail(operation: MemoryOperation, fault: MemoryFault, times: number): void
  heal(): void
  setState(id: string, state: InstanceState, detail?: string): void
  addForeign(): string
  resize(by: number): void
  preempt(id: string): void
  find(finding: Finding): () => void
}

/**
 * The controls of a memory group's cloud. With `lateRefusals` a stock-out or a quota is no refusal but machines that
 * fail.
 */
export function memoryCloudControls(
  group: MemoryCloud,
  { lateRefusals = false }: { readonly lateRefusals?: boolean } = {},
): CloudControls {
  return {
    saysRetryAfter: true,
    inject(fault) {
      const { kind, on, times = Number.POSITIVE_INFINITY } = fault
      if (lateRefusals && on === 'increase' && (kind === 'capacity' || kind === 'quota')) {
        group.bootsFailed = times
        group.bootError = new GroupError(kind, `no more: ${kind}`)
      } else group.fail(on, memoryFault(fault), times)
    },
    heal: () => group.heal(),
    calls: () =>
      group.calls.map(({ operation, at, failed }) => ({
        operation,
        bucket: 'memory',
        cost: 1,
        at,
        status: failed === undefined ? 200 : failed === 'aborted' ? 0 : 500,
      })),
    states: new Map(words.map((word) => [word, [word]])),
    setState: (id, word) => (isState(word) ? group.setState(id, word) : group.setState(id, 'unknown', word)),
    addForeign: () => group.addForeign(),
    resize: (by) => group.resize(by),
    kill: (id) => group.preempt(id),
    machines: () => group.ids,
    misconfigurations: new Map([[autoscaler.code, () => group.find(autoscaler)]]),
  }
}

function isState(word: string): word is InstanceState {
  return (words as readonly string[]).includes(word)
}

const codes = {
  throttled: 'throttled',
  quota: 'quota',
  capacity: 'capacity',
  auth: 'auth',
  invalid_config: 'invalid_config',
  conflict: 'conflict',
  server_error: 'transient',
} as const satisfies Partial<Record<CloudFaultKind, string>>

function memoryFault({ kind, retryAfterMs }: CloudFault): MemoryFault {
  if (kind === 'hang') return { kind }
  const reset = Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' })
  if (kind === 'reset') return { kind: 'error', error: reset }
  if (kind === 'lost_answer') return { kind: 'afterActing', error: reset }
  return {
    kind: 'error',
    error: new GroupError(codes[kind], `the cloud says ${kind}`, retryAfterMs === undefined ? {} : { retryAfterMs }),
  }
}
