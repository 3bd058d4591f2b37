import { isIP } from 'node:net'
import {
  type DeviceMapping,
  type EngineAddress,
  type GpuRequest,
  imageListProblems,
  type LogOptions,
  type PullPolicy,
  parseCpus,
  parseDevice,
  parseEngineAddress,
  parseGpus,
  parseLimits,
  parseMemorySize,
  parseSwapSize,
  parseVolumeSpec,
  type ResourceLimit,
  type VolumeSpec,
} from '@runner-core/runner-docker-executor'
import { nonEmptyText, oneOf } from './kinds.ts'
import { isTable, type Kind, leaf, list, show, showType } from './schema.ts'

/** The same, where an empty string is as if the key were not there: the files that `register` writes have many. */
export function orEmpty<T>(kind: Kind<T>): Kind<T> {
  return { ...kind, read: (value, context) => (value === '' ? undefined : kind.read(value, context)) }
}

/** The same of 0. */
export function orZero<T>(kind: Kind<T>): Kind<T> {
  return { ...kind, read: (value, context) => (value === 0 ? undefined : kind.read(value, context)) }
}

export const text: Kind<string> = orEmpty(nonEmptyText)

/** Strings; empty ones are left out. */
export const texts: Kind<readonly string[]> = listOf(nonEmptyText)

/** Patterns for names of images. */
export const imagePatterns: Kind<readonly string[]> = listOf({
  expected: 'a pattern such as "ruby:*"',
  read(value, context) {
    const pattern = nonEmptyText.read(value, context)
    const [problem] = pattern === undefined ? [] : imageListProblems([pattern])
    if (problem === undefined) return pattern
    context.problem(context.path, `expected a pattern such as "ruby:*", got ${problem}`)
    return undefined
  },
})

/** A list of a kind; empty strings are left out. */
function listOf<T>(item: Kind<T>): Kind<readonly T[]> {
  const all = list(orEmpty(item))
  return { ...all, read: (value, context) => all.read(value, context)?.filter((each) => each !== undefined) }
}

function parsed<T>(
  expected: string,
  parse: (text: string) => T | undefined,
  got: (value: unknown) => string = show,
): Kind<T> {
  return leaf(expected, (value) => (typeof value === 'string' ? parse(value) : undefined), got)
}

/** A table with free keys, each value of one kind. */
function mapOf<T>(item: Kind<T>): Kind<Readonly<Record<string, T>>> {
  const expected = `a table, each value ${item.expected}`
  return {
    expected,
    read(value, context) {
      if (!isTable(value)) {
        context.problem(context.path, `expected ${expected}, got ${show(value)}`)
        return undefined
      }
      const entries = Object.entries(value).flatMap(([key, each]) => {
        const read = item.read(each, { ...context, path: `${context.path}.${key}` })
        return read === undefined ? [] : [[key, read] as const]
      })
      return Object.fromEntries(entries)
    },
  }
}

const anyText: Kind<string> = leaf('a string', (value) => (typeof value === 'string' ? value : undefined))

export const stringMap: Kind<Readonly<Record<string, string>>> = mapOf(anyText)

/** The words of a command: an empty one is a word too, as in the entrypoint `[""]`, which is none. */
export const words: Kind<readonly string[]> = list(anyText)

/** On the Engine's machine, where this process's own directory is none. */
export const absolutePath: Kind<string> = orEmpty(
  parsed('an absolute path', (value) =>
    /^\/[^:\0]+$/.test(value) && !value.split('/').includes('..') ? value : undefined,
  ),
)

export const engineAddress: Kind<EngineAddress> = parsed(
  'an address such as "unix:///var/run/docker.sock" or "tcp://10.0.0.1:2376"',
  parseEngineAddress,
)

export const pullPolicy: Kind<PullPolicy> = oneOf('always', 'if-not-present', 'never')

/** One, or several in an array; none is the default. */
export const pullPolicies: Kind<readonly PullPolicy[]> = {
  expected: `${pullPolicy.expected}, or an array of them`,
  read(value, context) {
    if (value === '' || (Array.isArray(value) && value.length === 0)) return ['always']
    if (Array.isArray(value)) return list(pullPolicy).read(value, context)
    const one = pullPolicy.read(value, context)
    return one && [one]
  },
}

const device: Kind<DeviceMapping> = parsed('"/dev/host[:/dev/container[:rwm]]"', parseDevice)

export const devices: Kind<readonly DeviceMapping[]> = listOf(device)

export const devicesByImage: Kind<Readonly<Record<string, readonly DeviceMapping[]>>> = mapOf(devices)

export const gpus: Kind<GpuRequest> = orEmpty(
  parsed('GPUs as `docker run --gpus` has them, such as "all" or "device=0"', parseGpus),
)

export const memorySize: Kind<number> = orEmpty(parsed('a size such as "128m" or "2g"', parseMemorySize))

export const swapSize: Kind<number> = orEmpty(parsed('a size such as "2g", or "-1"', parseSwapSize))

export const cpus: Kind<number> = orEmpty(parsed('a number of CPUs in a string, such as "1.5"', parseCpus))

export const ulimits: Kind<readonly ResourceLimit[]> = {
  expected: 'a table, each value "soft" or "soft:hard"',
  read(value, context) {
    const limits = mapOf(parsed('"soft" or "soft:hard"', parseLimits)).read(value, context)
    return limits && Object.entries(limits).map(([name, limit]) => ({ name, ...limit }))
  },
}

export const volumes: Kind<readonly VolumeSpec[]> = listOf({
  expected: '"[source:]/destination[:options]"',
  read(value, context) {
    const spec = typeof value === 'string' ? parseVolumeSpec(value) : undefined
    if (typeof spec === 'object') return spec
    const why = spec === undefined ? '' : ` (${spec})`
    context.problem(context.path, `expected "[source:]/destination[:options]", got ${show(value)}${why}`)
    return undefined
  },
})

export const networkAddresses: Kind<readonly string[]> = listOf(
  parsed('an IP address', (value) => (isIP(value) === 0 ? undefined : value)),
)

export const macAddress: Kind<string> = orEmpty(
  parsed('a MAC address such as "92:d0:c6:0a:29:33"', (value) =>
    /^[0-9a-f]{2}(?:([:-])[0-9a-f]{2})(?:\1[0-9a-f]{2}){4}$/i.test(value) ? value : undefined,
  ),
)

export const extraHosts: Kind<readonly string[]> = listOf(
  parsed('"name:address"', (value) => {
    const [, address] = /^[^\s:=]+[:=](.+)$/.exec(value) ?? []
    const isAddress = address === 'host-gateway' || isIP(address?.replace(/^\[(.*)\]$/, '$1') ?? '') !== 0
    return isAddress ? value : undefined
  }),
)

/** Security options; a seccomp profile that is named by its path is read. */
export const securityOptions: Kind<readonly string[]> = listOf({
  expected: 'an option of `docker run --security-opt`',
  got: showType,
  read(value, context) {
    const [key, profile = ''] = typeof value === 'string' ? splitOption(value) : ['']
    if (key === '' || key === 'systempaths') {
      const got = typeof value === 'string' ? `${show(value)}, which the Engine does not have` : show(value)
      context.problem(context.path, `expected an option of \`docker run --security-opt\`, got ${got}`)
      return undefined
    }
    if (key !== 'seccomp' || ['unconfined', 'builtin'].includes(profile) || profile.startsWith('{'))
      return value as string
    try {
      const content = context.readFile(profile)
      JSON.parse(content)
      return `seccomp=${content}`
    } catch (error) {
      const why =
        error instanceof SyntaxError ? 'no JSON in it' : ((error as NodeJS.ErrnoException).code ?? String(error))
      context.problem(context.path, `expected the path of a seccomp profile, got ${show(profile)} (${why})`)
      return undefined
    }
  },
})

function splitOption(option: string): readonly string[] {
  const [, key = option, value = ''] = /^([^=:]+)[=:](.*)$/s.exec(option) ?? []
  return [key, value]
}

/** Which services a job may have. -1: any number. */
export const servicesLimit: Kind<number> = leaf('a whole number ≥ 0, or -1', (value) =>
  value === -1
    ? Number.POSITIVE_INFINITY
    : Number.isInteger(value) && (value as number) >= 0
      ? (value as number)
      : undefined,
)

/** Seconds; the value is in milliseconds. 0 is the default, a negative number no wait. */
export const servicesWait: Kind<number> = leaf('a whole number of seconds, or -1', (value) =>
  Number.isInteger(value) ? ((value as number) < 0 ? 0 : ((value as number) || 30) * 1000) : undefined,
)

const logOptionNames = ['env', 'labels']

export const logOptions: Kind<LogOptions> = {
  expected: 'a table with `env` and `labels`',
  read(value, context) {
    const options = stringMap.read(value, context)
    if (options === undefined) return undefined
    for (const key of Object.keys(options)) {
      if (!logOptionNames.includes(key))
        context.problem(`${context.path}.${key}`, 'expected "env" or "labels", got another option of the log')
    }
    const { env, labels } = options
    return { ...(env !== undefined && { env }), ...(labels !== undefined && { labels }) }
  },
}
