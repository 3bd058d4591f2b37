import type { Connection } from '@runner-core/fleeting'

const unused = (): Promise<never> => Promise.reject(new Error('nothing talks to this machine'))

/** To machines that nobody talks to, where only the cloud's API matters: they are reached at once. */
export const connection: Connection = {
  exec: unused,
  dial: unused,
  check: async () => {},
  ended: undefined,
  onEnd: () => {},
  close: async () => {},
}
