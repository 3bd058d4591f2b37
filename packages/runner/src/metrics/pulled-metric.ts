import { Counter, Gauge, type Registry } from 'prom-client'

/** Whatever a metric is read from; the labels tell it from others of its kind. */
export interface Measured {
  readonly labels: object
}

export interface PulledMetric<Source extends Measured> {
  readonly kind: 'counter' | 'gauge'
  readonly name: string
  readonly help: string
  /** Those of its own; absent when a single number is read. */
  readonly labels?: readonly string[]
  /**
   * A record has the values of the one label as its keys. Samples with the same labels are added up. Undefined: nothing
   * to tell.
   */
  readonly read: (source: Source) => number | Readonly<Record<string, number>> | readonly Sample[] | undefined
}

export interface Sample {
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

/** Registers a metric that is read when somebody scrapes, so that what it counts only has to bump a number. */
export function pullMetric<Source extends Measured>(
  registry: Registry,
  labelNames: readonly string[],
  sources: () => Iterable<Source>,
  { kind, name, help, labels: ownLabels = [], read }: PulledMetric<Source>,
): void {
  const collect = (metric: Counter | Gauge): void => {
    metric.reset()
    for (const source of sources()) {
      for (const { labels, value } of samplesOf(read(source), ownLabels))
        metric.inc({ ...source.labels, ...labels }, value)
    }
  }
  const options = { name, help, registers: [registry], labelNames: [...labelNames, ...ownLabels] }
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

function samplesOf(
  value: ReturnType<PulledMetric<Measured>['read']>,
  [label = '']: readonly string[],
): readonly Sample[] {
  if (value === undefined) return []
  if (typeof value === 'number') return [{ labels: {}, value }]
  if (isList(value)) return value
  return Object.entries(value).map(([key, each]) => ({ labels: { [label]: key }, value: each }))
}

function isList(value: object): value is readonly Sample[] {
  return Array.isArray(value)
}
