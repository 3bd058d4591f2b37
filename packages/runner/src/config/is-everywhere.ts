import type { ListenAddress } from './tables/kinds.ts'

/** Whether it listens on all addresses of the machine. */
export function isEverywhere({ host = '' }: ListenAddress): boolean {
  return ['', '0.0.0.0', '::'].includes(host)
}
