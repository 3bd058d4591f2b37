const powers = 'kmgtp'

/** As the `docker` command has it: `128m`, `1.5g`, `300000`. Bytes; undefined: it is no size. */
export function parseMemorySize(text: string): number | undefined {
  const [, digits, unit = ''] = /^(\d{1,15}(?:\.\d{1,9})?) ?([kmgtp])?(?:i?b)?$/i.exec(text) ?? []
  if (digits === undefined) return undefined
  return Math.floor(Number(digits) * 1024 ** (unit === '' ? 0 : powers.indexOf(unit.toLowerCase()) + 1))
}

/** The same, or -1: no bound. */
export function parseSwapSize(text: string): number | undefined {
  return text === '-1' ? -1 : parseMemorySize(text)
}

/** A number of CPUs, `1.5` or `3/2`, in billionths of one; undefined: it is no such number. */
export function parseCpus(text: string): number | undefined {
  const [, digits, divisor = '1'] = /^(\d{1,5}(?:\.\d{1,9})?)(?:\/(\d{1,5}))?$/.exec(text) ?? []
  if (digits === undefined || Number(divisor) === 0) return undefined
  return Math.round((Number(digits) / Number(divisor)) * 1e9)
}
