import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import {
  type ConnectInfo,
  type Connection,
  type CreateInstanceGroup,
  type DecreaseResult,
  GroupError,
  type GroupInfo,
  type GroupOwner,
  type IncreaseRequest,
  type IncreaseResult,
  type InstanceGroup,
  type ListedInstance,
  OwnerFile,
  type PluginContext,
} from '@runner-core/fleeting'
import { EngineConnection, type OpenSocket } from './engine-connection.ts'

const { version } = createRequire(import.meta.url)('../../package.json') as { version: string }

/** A group of one instance: an Engine that is there. To launch it is to lend it, to remove it is to take it back. */
export function engineGroup(open: OpenSocket): CreateInstanceGroup {
  return (_config, context) => new EngineGroup(open, context)
}

/** The loan of the Engine, as it is written down for the next process. */
interface Loan {
  /** Loans so far: no id is used twice. */
  readonly count: number
  /** Of the loan that lasts. */
  readonly launchToken?: string | undefined
}

class EngineGroup implements InstanceGroup {
  readonly owners?: () => Promise<readonly GroupOwner[]>
  readonly claim?: (owner: GroupOwner | undefined) => Promise<void>
  readonly #open: OpenSocket
  readonly #context: PluginContext
  /** With durable state only. */
  readonly #file: string | undefined
  #loan: Loan = { count: 0 }

  constructor(open: OpenSocket, context: PluginContext) {
    this.#open = open
    this.#context = context
    const { stateDir } = context
    if (stateDir === undefined) return
    this.#file = join(stateDir, 'engine.json')
    const owner = new OwnerFile(stateDir)
    this.owners = () => owner.owners()
    this.claim = (claimed) => owner.claim(claimed)
  }

  async init(): Promise<GroupInfo> {
    this.#loan = this.#read()
    return {
      id: `docker-engine/${this.#context.fleet}`,
      maxSize: 1,
      version,
      ...(this.#file !== undefined && { capabilities: ['launch_tokens'] as const }),
    }
  }

  async list(): Promise<readonly ListedInstance[]> {
    const { count, launchToken } = this.#loan
    return launchToken === undefined ? [] : [{ id: idOf(count), state: 'running', launchToken }]
  }

  async increase({ count, launchToken }: IncreaseRequest): Promise<IncreaseResult> {
    const isLent = this.#loan.launchToken !== undefined
    if (!isLent) this.#write({ count: this.#loan.count + 1, launchToken })
    const requested = !isLent || this.#loan.launchToken === launchToken ? 1 : 0
    const ids = requested === 1 ? [idOf(this.#loan.count)] : []
    if (requested === count) return { requested, ids }
    return { requested, ids, errors: [new GroupError('quota', 'there is one Engine')] }
  }

  async decrease(ids: readonly string[]): Promise<DecreaseResult> {
    const { count, launchToken } = this.#loan
    if (launchToken !== undefined && ids.includes(idOf(count))) this.#write({ count })
    return { accepted: ids }
  }

  async connectInfo(id: string): Promise<ConnectInfo> {
    throw new GroupError('invalid_config', 'an Engine is reached without a login', { instanceId: id })
  }

  async connect(id: string): Promise<Connection> {
    const { count, launchToken } = this.#loan
    if (launchToken === undefined || id !== idOf(count))
      throw new GroupError('not_found', `the Engine is not lent as ${id}`, { instanceId: id })
    const connection = new EngineConnection(this.#open)
    await connection.check(connectMs)
    return connection
  }

  async shutdown(): Promise<void> {}

  #read(): Loan {
    if (this.#file === undefined) return this.#loan
    try {
      const { count, launchToken } = JSON.parse(readFileSync(this.#file, 'utf8')) as Record<keyof Loan, unknown>
      if (!Number.isSafeInteger(count)) throw new Error('something else')
      return { count: count as number, ...(typeof launchToken === 'string' && { launchToken }) }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { count: 0 }
      const message = `${this.#file}: expected the loan of an Engine, got ${(error as Error).message}`
      throw new GroupError('invalid_config', message, { cause: error })
    }
  }

  /** All or nothing. */
  #write(loan: Loan): void {
    if (this.#file !== undefined)
      try {
        mkdirSync(this.#context.stateDir!, { recursive: true, mode: 0o700 })
        writeFileSync(`${this.#file}.new`, JSON.stringify(loan), { mode: 0o600, flush: true })
        renameSync(`${this.#file}.new`, this.#file)
      } catch (error) {
        const message = `${this.#file}: the loan of the Engine cannot be written down: ${(error as Error).message}`
        throw new GroupError('transient', message, { cause: error })
      }
    this.#loan = loan
  }
}

/** An Engine on this machine answers at once; one on another has a round trip to make. */
const connectMs = 10_000

function idOf(count: number): string {
  return `engine-${count}`
}
