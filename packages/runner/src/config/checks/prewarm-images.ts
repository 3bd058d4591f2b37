import { earlyText } from '@runner-core/job'
import { listedImageProblem } from '@runner-core/runner-docker-executor'
import type { Problem } from '../problem.ts'
import type { ReadRunner } from '../read-runner.ts'

/** Images that instances are to pull for jobs, and that no job could have. */
export function uselessPrewarmImages(runners: readonly ReadRunner[]): readonly Problem[] {
  return runners.flatMap(({ docker, environment: environmentVariables = [] }, index) => {
    const settings: Partial<NonNullable<typeof docker>> = docker ?? {}
    const expand = (text: string): string => earlyText({ payload: { variables: [] }, environmentVariables }, text)
    return (settings.prewarmImages ?? []).flatMap((image, number) => {
      const message = listedImageProblem({ image, settings, expand })
      return message === undefined ? [] : [{ path: `runners[${index}].docker.prewarm_images[${number}]`, message }]
    })
  })
}
