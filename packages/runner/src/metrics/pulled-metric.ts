import { Counter, Gauge, type Registry } from 'prom-client'

/** Whatever a metric is read from; the labels tell it from others of its kind. */
export interface Measured {
  readonly labels: object
}

export interface PulledMetric<Source extends Measured> {
  readonly kind: 'counter' | 'gauge'
  readonly name: string
  readonly help: string
  /** The label that keys of a read record are values of; absent when a single number is read. */
  readonly label?: string
  /** Undefined: nothing to tell. */
  readonly read: (source: Source) => number | Readonly<Record<string, number>> | undefined
}

/** Registers a metric that is read when somebody scrapes, so that what it counts only has to bump a number. */
export function pullMetric<Source extends Measured>(
  registry: Registry,
  labelNames: readonly string[],
  sources: () => Iterable<Source>,
  { kind, name, help, label, read }: PulledMetric<Source>,
): void {
  const collect = (metric: Counter | Gauge): void => {
    metric.reset()
    for (const source of sources()) {
      const value = read(source)
      if (value === undefined) continue
      const entries = typeof value === 'number' ? [[undefined, value] as const] : Object.entries(value)
      for (const [key, each] of entries) metric.inc({ ...source.labels, ...(label !== undefined && { [label]: key }) }, each)
    }
  }
  const options = { name, help, registers: [registry], labelNames: label === undefined ? [...labelNames] : [...labelNames, label] }
  if (kind === 'counter') {
    new Counter({
      ...options,
      collect() {
        collect(this)
      },
    })
  } else {
    new Gauge({
      ...options,
      collect() {
        collect(this)
      },
    })
  }
}
