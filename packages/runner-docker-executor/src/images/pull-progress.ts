/** Most layers that are counted: Docker allows 127. */
const maxLayers = 1000
/** Milliseconds. */
const shortestPause = 1000
const longestPause = 10_000

interface Layer {
  readonly step: 'waiting' | 'downloading' | 'downloaded' | 'extracting' | 'done'
  readonly current: number
  readonly total: number
}

/** How far a pull has come, by what the Engine says about each layer. */
export class PullProgress {
  readonly #layers = new Map<string, Layer>()
  #isRetrying = false

  /** Takes one message of the Engine. Anything in an unexpected format is ignored. */
  take(message: unknown): void {
    const { id, status, progressDetail } = fieldsOf(message)
    if (typeof id !== 'string' || typeof status !== 'string') return
    const step = stepOf(status)
    if (step === undefined) return
    const known = this.#layers.get(id)
    if (known === undefined && this.#layers.size >= maxLayers) return
    this.#isRetrying = status.startsWith('Retrying')
    const { current, total } = fieldsOf(progressDetail)
    const hasSize = step === 'downloading' && isSize(current) && isSize(total)
    this.#layers.set(id.slice(0, 128), {
      step,
      // Extracting counts other bytes.
      current: hasSize ? Math.min(current, total) : step === 'waiting' ? 0 : (known?.current ?? 0),
      total: hasSize ? total : (known?.total ?? 0),
    })
  }

  /**
   * For people: `3 of 7 layers, 45.2 of 120.0 MB`. What is not yet known to be downloaded is not in the second number.
   */
  get text(): string {
    const layers = [...this.#layers.values()]
    if (layers.length === 0) return 'waiting for the registry'
    const done = layers.filter(({ step }) => step === 'done').length
    const total = layers.reduce((sum, layer) => sum + layer.total, 0)
    const current = layers.reduce((sum, layer) => sum + (isLoaded(layer) ? layer.total : layer.current), 0)
    const isLoadedAll = layers.every(isLoaded)
    const size = total === 0 ? '' : `, ${inMegabytes(current)} of ${inMegabytes(total)} MB`
    const now = this.#isRetrying ? ', trying a layer again' : isLoadedAll && done < layers.length ? ', extracting' : ''
    return `${done} of ${layers.length} layers${size}${now}`
  }
}

/** When a line that changes may change again: every second at first, every ten when it goes on for minutes. */
export function progressPause(elapsedMs: number): number {
  return Math.min(longestPause, Math.max(shortestPause, elapsedMs / 20))
}

function stepOf(status: string): Layer['step'] | undefined {
  switch (status) {
    case 'Pulling fs layer':
    case 'Waiting':
      return 'waiting'
    case 'Downloading':
      return 'downloading'
    case 'Verifying Checksum':
    case 'Download complete':
      return 'downloaded'
    case 'Extracting':
      return 'extracting'
    case 'Pull complete':
    case 'Already exists':
      return 'done'
    default:
      return status.startsWith('Retrying in') ? 'waiting' : undefined
  }
}

function isLoaded({ step }: Layer): boolean {
  return step === 'downloaded' || step === 'extracting' || step === 'done'
}

function isSize(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0
}

function inMegabytes(bytes: number): string {
  return (bytes / 1_000_000).toFixed(1)
}

function fieldsOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
}
