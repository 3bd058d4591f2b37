import type { Pattern } from './pattern-automaton.ts'
import { secretParameterKeys } from './url-parameter-keys.ts'

/** A pair of bytes stands in the table at `((first << 6) ^ second) & pairSlotMask`; hot loops have this written out. */
export const pairSlotMask = 0x1fff

const longestWindow = 8

/**
 * How far a search may jump that is not in the middle of anything (Wu and Manber): the last two of the next
 * {@link window} bytes say from how many of the following bytes on a pattern may begin. 0 says: from the next one.
 */
export interface SkipTable {
  /** No longer than the shortest pattern. 0 where patterns are too short for jumps; the jumps are all 0 then. */
  readonly window: number
  /** By pair of bytes. Pairs that share a slot make a jump shorter, never longer. */
  readonly jumps: Uint8Array
}

/** The jumps that miss none of `patterns` and no parameter of `url-parameter-keys.ts`. */
export function buildSkipTable(patterns: readonly Pattern[]): SkipTable {
  const window = patterns.reduce((shortest, { bytes }) => Math.min(shortest, bytes.length), longestWindow)
  if (window < 3) return { window: 2, jumps: new Uint8Array(pairSlotMask + 1) }
  const jumps = new Uint8Array(pairSlotMask + 1).fill(window - 1)
  const allow = (first: number, second: number, index: number): void => {
    const slot = ((first << 6) ^ second) & pairSlotMask
    jumps[slot] = Math.min(jumps[slot]!, window - 2 - index)
  }
  for (const { bytes } of patterns) for (let i = 0; i < window - 1; i++) allow(bytes[i]!, bytes[i + 1]!, i)
  for (const { first, second, index } of parameterPairs) if (index < window - 1) allow(first, second, index)
  return { window, jumps }
}

/** The first pairs of bytes of all secret parameters, in either case, and where they stand. */
const parameterPairs = secretParameterKeys
  .flatMap((key) => [`?${key}`, `&${key}`])
  .flatMap((parameter) =>
    Array.from({ length: longestWindow - 1 }, (_, index) => ({ index, pair: parameter.slice(index, index + 2) })),
  )
  .flatMap(({ index, pair }) =>
    bothCases(pair[0]!).flatMap((first) => bothCases(pair[1]!).map((second) => ({ first, second, index }))),
  )

function bothCases(character: string): number[] {
  return [character.charCodeAt(0), character.toUpperCase().charCodeAt(0)]
}
