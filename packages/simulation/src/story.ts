import type { Found } from './shrink.ts'
import type { Broken } from './witness.ts'

const begin = 1_000_000

/** What happened, for people: what the world did at the margin, what followed from it below. */
export function storyOf({ scenario: { setting, steps }, played: { violation, log } }: Found): string {
  const { capacityPerInstance, maxInstances, maxUseCount, unknownInstances, tells } = setting
  const told = Object.entries(tells).flatMap(([what, isTold]) => (isTold ? [what] : []))
  const uses = maxUseCount === 0 ? '' : `, used ${maxUseCount} times each`
  const lines = log.map(
    ({ at, text, isStep }) => `${((at - begin) / 1000).toFixed(1).padStart(8)} s  ${isStep ? '' : '    '}${text}`,
  )
  return [
    violation === undefined ? 'No promise was broken.' : `${brokenText(violation.promise)}: ${violation.what}`,
    `${maxInstances} instances at most, of ${capacityPerInstance} slots${uses}; unknown ones: ${unknownInstances}; the cloud tells ${told.join(', ') || 'nothing'} of launches; steps: ${steps.length}`,
    ...lines,
  ].join('\n')
}

/** What was broken, as the begin of a sentence. */
export function brokenText(broken: Broken): string {
  return typeof broken === 'number' ? `Promise ${broken} was broken` : `The history is wrong, ${broken}`
}
