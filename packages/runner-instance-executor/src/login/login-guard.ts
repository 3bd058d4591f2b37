import { createHash, randomBytes } from 'node:crypto'
import { type Clock, type Connection, deadline, isConnectionError, type Logger } from '@runner-core/fleeting'
import {
  type LoginChange,
  type LoginReport,
  type LoginScriptOptions,
  type LoginState,
  loginChanges,
  loginCommand,
  loginScript,
  readLoginReport,
  startsPrograms,
} from '@runner-core/job'
import { Answer } from '../commands/answer.ts'
import { runCommand } from '../commands/run-command.ts'
import { asFirst, asState, type KnownLogin, type LoginMemory } from './known-login.ts'

/**
 * Whose jobs may follow each other with one login: of any project · of one project on each instance · none, since each
 * instance serves one job.
 */
export type Trust = 'all' | 'project' | 'none'

export interface LoginGuardOptions {
  readonly trust: Trust
  /** Default: another process knows nothing of what this one saw. */
  readonly logins?: LoginMemory | undefined
  readonly clock: Clock
  readonly logger: Logger
}

/** A job that is to have a place. */
export interface Tenant {
  readonly instanceId: string
  readonly connection: Connection
  /** Whose job it is. */
  readonly project: string
  /** Value of its marker. */
  readonly marker: string
  /** How many jobs the instance has had since it was made or lent, this one included. */
  readonly useCount: number
}

type Place = Pick<Tenant, 'instanceId' | 'connection'>

/** What a job gets of the login, or why it gets nothing: the instance serves no other project's job. */
export type Admission = { readonly hasOwnHome: boolean; readonly guardsLogin: boolean } | { readonly refused: string }

/** What is known of a login that jobs use one after the other. */
interface Login {
  /** Projects whose jobs may have left something. */
  projects: Set<string>
  /** Markers of the jobs that have a place now. */
  readonly active: Set<string>
  /** Whether jobs of several projects have used it. */
  isShared: boolean
  /** What it was like before the first job; undefined: nobody could tell. */
  first: LoginState | undefined
  /** Why it serves no more jobs, once a job's end has found so. */
  spoiled: string | undefined
  /** One job after the other is admitted. */
  queue: Promise<unknown>
}

/** Logins that are remembered. Of one that is forgotten nothing is known when its next job comes. */
const maxLogins = 2000
/** How long a look, or ending what was left, may take. */
const limitMs = 30_000
const maxAnswerBytes = 1024 * 1024
/** How long what follows a job may take, restoring included. */
const tidyMs = 10_000
/** A look costs as much as a short job: it waits so long for another job of the project. */
const idleMs = 1000

/** A look at a login that waits until it is sure that no job follows at once. */
interface Idle {
  readonly place: Place
  readonly cancel: () => void
}

/**
 * Keeps what a job leaves in its login from jobs of other projects. Before a machine's first job it looks what the
 * login is like; before a job of another project it ends what is left of earlier ones, puts back what they changed, and
 * gives the job a home of its own. Where that cannot be done the job is refused.
 */
export class LoginGuard {
  readonly #options: LoginGuardOptions
  readonly #logins = new Map<string, Login>()
  readonly #idle = new Map<Login, Idle>()

  constructor(options: LoginGuardOptions) {
    this.#options = options
  }

  /** Rejects as `runCommand` does where the connection is lost, and with the signal's reason. */
  async admit(tenant: Tenant, signal: AbortSignal): Promise<Admission> {
    const { trust } = this.#options
    if (trust === 'none') return { hasOwnHome: false, guardsLogin: false }
    const login = this.#login(tenant)
    const admission = login.queue.then(() => this.#admit(login, tenant, signal))
    login.queue = admission.catch(() => {})
    return await admission
  }

  /** A job that an earlier process began has its place again. */
  resume(tenant: Omit<Tenant, 'useCount'>, hasOwnHome: boolean): void {
    if (this.#options.trust === 'none') return
    const login = this.#login(tenant)
    login.projects.add(tenant.project)
    login.active.add(tenant.marker)
    login.isShared ||= hasOwnHome
  }

  /**
   * The job is over. Removes its home, if it had one, and, unless another job of its project follows at once, puts
   * back what it changed of what starts programs, or has the next job refused where
   * that cannot be done. The next job of the login is admitted after it, whose slot need not wait for it. Never
   * rejects.
   */
  async leave(
    { instanceId, connection, marker }: Omit<Tenant, 'project' | 'useCount'>,
    hasOwnHome: boolean,
  ): Promise<void> {
    const login = this.#logins.get(keyOf(connection, instanceId))
    if (login === undefined) return
    login.active.delete(marker)
    const place = { instanceId, connection }
    if (hasOwnHome) return await this.#next(login, place, marker)
    if (this.#options.trust !== 'all') return
    this.#forgetIdle(login)
    const cancel = this.#options.clock.after(idleMs, () => void this.#look(login))
    this.#idle.set(login, { place, cancel })
  }

  /** Resolves when all logins that no job uses have been looked at, or cannot be. Never rejects. */
  async looked(): Promise<void> {
    await Promise.all([...this.#idle.keys()].map((login) => this.#look(login)))
  }

  async #look(login: Login): Promise<void> {
    const place = this.#idle.get(login)?.place
    this.#forgetIdle(login)
    if (place !== undefined) await this.#next(login, place, undefined)
  }

  #forgetIdle(login: Login): void {
    this.#idle.get(login)?.cancel()
    this.#idle.delete(login)
  }

  #next(login: Login, place: Place, over: string | undefined): Promise<void> {
    const tidied = login.queue.then(() => this.#tidy(login, place, over))
    login.queue = tidied
    return tidied
  }

  async #tidy(login: Login, place: Place, over: string | undefined): Promise<void> {
    const { trust, clock, logger } = this.#options
    // While another job is at work, what has changed may be its own: the last one has it put back.
    const compares = trust === 'all' && login.first !== undefined && login.active.size === 0
    if (place.connection.ended !== undefined || (!compares && over === undefined)) return
    using limit = deadline(clock, tidyMs, () => new Error(`no response within ${tidyMs / 1000} s`))
    try {
      const report = await this.#run(place, { over }, limit.signal)
      if (!compares) return
      login.spoiled = await this.#putBack(
        login,
        place,
        loginChanges(login.first!, report).filter(startsItself),
        limit.signal,
      )
    } catch (error) {
      // The next job of another project has it removed, and put back.
      logger.debug(
        { instance: place.instanceId, err: error },
        'files that a job left in the login of an instance may still be there',
      )
    }
  }

  /** Has these as they were at first. What cannot be: in words. */
  async #putBack(
    { first }: Login,
    place: Place,
    changes: readonly LoginChange[],
    signal: AbortSignal,
  ): Promise<string | undefined> {
    if (changes.length === 0) return undefined
    this.#options.logger.warn(
      { instance: place.instanceId, changed: changes.map(({ part }) => part).slice(0, 20) },
      'an earlier job changed files that programs of the next one would read: they are restored',
    )
    const report = await this.#run(place, { restores: changes }, signal)
    const wanted = new Set(changes.map(({ part }) => part))
    const left = loginChanges(first!, report).filter(({ part }) => wanted.has(part))
    return left.length === 0 ? undefined : cannotBePutBack(left)
  }

  async #admit(login: Login, tenant: Tenant, signal: AbortSignal): Promise<Admission> {
    const { project, marker } = tenant
    if (login.spoiled !== undefined) {
      // It may have been looked after since.
      await this.#tidy(login, tenant, undefined)
      if (login.spoiled !== undefined) return { refused: login.spoiled }
    }
    // A host that comes back, and of which nothing is known: only people can have looked after it.
    if (tenant.useCount === 1 && login.first === undefined && login.active.size === 0) login.projects = new Set()
    const isFirst = login.projects.size === 0
    const isOther = !isFirst && (login.projects.size > 1 || !login.projects.has(project))
    if (isOther && this.#options.trust === 'project')
      return { refused: 'it is kept for the jobs of another project (trust = "project")' }
    if (this.#options.trust === 'all') {
      if (isFirst) {
        await this.#firstLook(login, tenant, signal)
      } else if (isOther || login.isShared) {
        const refused = await this.#separate(login, tenant, isOther, signal)
        if (refused !== undefined) return { refused }
        login.isShared = true
        if (isOther && login.active.size === 0) login.projects = new Set()
      }
    }
    // Of two at once, the one that ends last would put back what the other one had changed when it began.
    const guardsLogin = this.#options.trust === 'all' && login.active.size === 0
    const isNews = isFirst || isOther || !login.projects.has(project)
    login.projects.add(project)
    login.active.add(marker)
    if (isNews) this.#remember(login, tenant)
    return { hasOwnHome: login.isShared, guardsLogin }
  }

  async #firstLook(login: Login, tenant: Tenant, signal: AbortSignal): Promise<void> {
    try {
      login.first = await this.#run(tenant, { keeps: true }, signal)
    } catch (error) {
      if (isConnectionError(error) || signal.aborted) throw error
      this.#options.logger.warn(
        { instance: tenant.instanceId, err: error },
        'the state of the login of an instance is unknown: the instance serves one project only',
      )
    }
  }

  #remember({ projects, isShared, first }: Login, { connection, instanceId }: Tenant): void {
    const known = { projects: [...projects], isShared, first: first === undefined ? null : asFirst(first) }
    this.#options.logins?.set(keyOf(connection, instanceId), known)
  }

  /** Why a job may not have it. */
  async #separate(login: Login, tenant: Tenant, isOther: boolean, signal: AbortSignal): Promise<string | undefined> {
    const { logger } = this.#options
    const { first } = login
    if (first === undefined) return 'the state of its login before its first job is unknown'
    const isAlone = login.active.size === 0
    const home = { marker: tenant.marker, names: first.names, isAlone }
    const ends = isOther && isAlone ? { ends: { spared: first.processes, boot: first.boot } } : {}
    try {
      let report = await this.#run(tenant, { ...ends, home }, signal)
      if (report.left.length > 0) return `processes of earlier jobs cannot be ended (${report.left.join(' ')})`
      let changes = isOther ? loginChanges(first, report) : []
      if (changes.length > 0) {
        logger.warn(
          { instance: tenant.instanceId, changed: changes.map(({ part }) => part).slice(0, 20) },
          'an earlier job changed files that programs of the next one would read: they are restored',
        )
        report = await this.#run(tenant, { ...ends, restores: changes, home }, signal)
        changes = loginChanges(first, report)
      }
      if (changes.length > 0) return cannotBePutBack(changes)
      return report.hasHome ? undefined : 'no home directory could be created for the job'
    } catch (error) {
      if (isConnectionError(error) || signal.aborted) throw error
      return `its login could not be inspected: ${error instanceof Error ? error.message : String(error)}`
    }
  }

  async #run(
    { instanceId, connection }: Place,
    options: Omit<LoginScriptOptions, 'key' | 'nonce'>,
    signal: AbortSignal,
  ): Promise<LoginReport> {
    const { clock } = this.#options
    const key = createHash('sha256').update(keyOf(connection, instanceId)).digest('hex').slice(0, 16)
    const nonce = randomBytes(16).toString('hex')
    const answer = new Answer(maxAnswerBytes)
    using limit = deadline(clock, limitMs, () => new Error(`no answer within ${limitMs / 1000} s`), signal)
    await runCommand(connection, {
      command: loginCommand,
      script: loginScript({ ...options, key, nonce }),
      stdout: answer.take,
      isComplete: () => answer.text.endsWith(`login ${nonce} ends\n`),
      clock,
      signal: limit.signal,
    })
    const report = readLoginReport(answer.text, nonce)
    if (report === undefined) throw new Error('it has no POSIX shell that responds')
    return report
  }

  #login({ connection, instanceId }: Pick<Tenant, 'connection' | 'instanceId'>): Login {
    const key = keyOf(connection, instanceId)
    const known = this.#logins.get(key)
    const login = known ?? fromMemory(this.#options.logins?.get(key))
    // The one that was used last comes last.
    this.#logins.delete(key)
    this.#logins.set(key, login)
    for (const [oldest, { active }] of this.#logins) {
      if (this.#logins.size <= maxLogins) break
      if (active.size === 0) this.#logins.delete(oldest)
    }
    return login
  }
}

const startsItself = ({ part }: LoginChange): boolean => startsPrograms(part)

function cannotBePutBack(changes: readonly LoginChange[]): string {
  const parts = changes.map(({ part }) => part).slice(0, 5)
  return `an earlier job changed what cannot be restored (${parts.join(', ')})`
}

function fromMemory(known: KnownLogin | undefined): Login {
  const { projects = [], isShared = false, first = null } = known ?? {}
  return {
    projects: new Set(projects),
    active: new Set(),
    isShared,
    first: first === null ? undefined : asState(first),
    spoiled: undefined,
    queue: Promise.resolve(),
  }
}

/** Instances may share a machine, and then a login. */
function keyOf({ machine }: Connection, instanceId: string): string {
  return machine ?? instanceId
}
