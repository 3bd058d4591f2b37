import type { AutoscalerSettings, RunnerSettings } from './settings.ts'

/** One runner's settings as far as they could be read. */
export type ReadRunner = Partial<Omit<RunnerSettings, 'autoscaler'>> & {
  readonly autoscaler?: Partial<AutoscalerSettings>
}
