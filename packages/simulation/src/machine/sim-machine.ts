import type { CancelTimer, Clock, ExitStatus } from '@runner-core/fleeting'
import { loginCommand } from '@runner-core/job'
import type { Channel, Link } from './channel.ts'
import { Disk } from './disk.ts'
import { type GeneratedScript, readScript } from './generated-script.ts'
import type { MachineProcess } from './machine-process.ts'
import { MachineRelay } from './output-relay.ts'
import { type ScriptName, ScriptRun } from './script-run.ts'

/** A job's own script, as long as its shell lives. */
export interface RunningScript {
  readonly run: string
  readonly machine: string
  /** Undefined until it says it: a script that only cleans up never does. */
  job: string | undefined
  script: ScriptName
  readonly marker: string
  /** Where it works, as it is written. */
  readonly directory: string
  readonly startedAt: number
}

/** Who is told of what happens on machines. */
export interface MachineWatch {
  /** The script of a job said which job it is: its first own line. */
  started(script: RunningScript): void
  said(script: RunningScript, line: string): void
  /** `leftovers`: processes of the job are there still. */
  ended(script: RunningScript, exit: number | 'killed', leftovers: boolean): void
  /** Nothing of the job is there any more. */
  cleaned(script: RunningScript): void
}

export interface SimMachineOptions {
  readonly id: string
  readonly clock: Clock
  readonly watch: MachineWatch
  readonly diskBytes: number
  /** How the login's shell calls itself, where it is a bash. */
  readonly loginPrint: string
  /** Whether it is there and runs. */
  readonly isUp: () => boolean
}

/** Two looks that find nothing, 20 ms apart, and what a shell takes to start: see `killScript`. */
const cleanMs = 50

/** What begins the file of a slot that nobody has. */
const free = Buffer.from('-\n')

/**
 * A machine that understands the commands production sends: it finds out by their structure what they are for, and does
 * that to processes, files and pipes of its own. It runs no shell. What it does not know is an error: a command that
 * changed must be understood anew, never guessed.
 */
export class SimMachine {
  readonly id: string
  readonly disk: Disk
  readonly #options: SimMachineOptions
  readonly #bootedAt: number
  readonly #processes = new Set<MachineProcess>()
  readonly #relays = new Map<string, MachineRelay>()
  /** By the file that tells of it, the shell of a detached script, and the connection that it was started on. */
  readonly #detached = new Map<string, { readonly process: MachineProcess; readonly link: Link }>()
  /** By the file of a slot, the shell that claimed it last, and the connection that it was started on. */
  readonly #claims = new Map<string, { readonly process: MachineProcess; readonly link: Link }>()
  /** By the shell's process. */
  readonly #scripts = new Map<MachineProcess, RunningScript>()
  readonly #shells = new Map<
    MachineProcess,
    { readonly shell: ScriptRun; readonly over: (exit: ExitStatus, line?: string) => void }
  >()
  /** Scripts whose job may have processes beside their shell. */
  readonly #left = new Map<string, RunningScript>()
  #hasDirectory = false
  #pids = 100
  #runs = 0

  constructor(options: SimMachineOptions) {
    this.#options = options
    this.id = options.id
    this.disk = new Disk(options.diskBytes)
    this.#bootedAt = options.clock.now() - 4000
  }

  /** Shells of jobs that live now. */
  get scripts(): readonly RunningScript[] {
    return [...this.#scripts.values()]
  }

  /** Power off: nothing is left of what ran. */
  stop(): void {
    for (const process of this.#processes) this.#kill(process)
  }

  /** What a login shell was asked to do. */
  run(command: string, link: Link, channel: Channel): void {
    const onScript = (act: (text: string) => void): void => {
      let isFirst = true
      channel.read(
        (bytes) => {
          // What production sends first is the whole script; what follows is its input.
          if (isFirst) act(bytes.toString())
          isFirst = false
        },
        () => {
          if (isFirst) this.#end(channel, { code: 0 })
          isFirst = false
        },
      )
    }
    if (command === 'exec sh') onScript((text) => this.#runHelper(text, channel))
    else if (command === loginCommand) onScript((text) => this.#lookAtLogin(text, channel))
    else if (/RUNNER_CORE_JOB=\w+; ulimit -m \d+ 2>\/dev\/null \|\| exec (?:sh|bash)/.test(command))
      onScript((text) => this.#runJob(command, text, link, channel))
    else throw new Error(`the world's machine does not know this command: ${command.slice(0, 300)}`)
  }

  #runHelper(text: string, channel: Channel): void {
    if (text.includes(' relay\\036')) this.#startRelay(text, channel)
    else if (text.includes(' following %s\\036')) this.#follow(text, channel)
    else if (text.endsWith('echo done\n}\n')) this.#reportSlots(text, channel)
    else if (text.includes('rc_kill() {')) this.#endJob(text, channel)
    else if (text.endsWith('echo wiped\n}\n')) this.#wipe(text, channel)
    else throw new Error(`the world's machine does not know this script: ${text.slice(0, 300)}`)
  }

  /** The jobs of the world are of one project, and leave nothing in their login. */
  #lookAtLogin(text: string, channel: Channel): void {
    const nonce = found(/^echo 'login (\w+) ends'$/m, text)
    channel.write('stdout', `login ${nonce} begins\nlogin ${nonce} ends\n`)
    this.#end(channel, { code: 0 })
  }

  #startRelay(text: string, channel: Channel): void {
    const name = found(/\\036(\w+) relay\\036/, text)
    const directory = found(/mkdir -p -m 700 (\S+) 2>/, text)
    const trouble = this.trouble
    // A directory takes room, a file without content does not.
    if (trouble !== undefined && !this.#hasDirectory) {
      channel.write('stdout', `\x1e${name} unwritable ${trouble}\x1e`)
      this.#end(channel, { code: 0 })
      return
    }
    this.#hasDirectory = true
    const limitBytes = Number(found(/ulimit -f \$\(\((\d+) \/ 512/, text))
    this.#relays.set(name, new MachineRelay({ name, directory, limitBytes, disk: this.disk, channel }))
  }

  #runJob(command: string, text: string, link: Link, channel: Channel): void {
    const marker = found(/RUNNER_CORE_JOB=(\w+);/, command)
    const script = readScript(text.slice(Math.max(0, text.indexOf('{ unset s; '))))
    const detach = readPrelude(text)
    const claim = readClaim(text)
    if (detach === undefined && claim === undefined && !text.startsWith('{ unset s; '))
      throw new Error(`the world's machine does not know this beginning of a script: ${text.slice(0, 300)}`)
    if (detach === undefined && claim === undefined) {
      this.#runAttached(script, marker, channel)
      return
    }
    const { nonce } = script
    const say = (word: string): void => channel.write('stdout', `\x1e${nonce} ${word}\x1e`)
    const process: MachineProcess = this.#process(marker, () => this.#shellKilled(process))
    const leave = (word: string): void => {
      say(word)
      this.#processes.delete(process)
      this.#end(channel, { code: 0 })
    }
    const holder = claim === undefined ? undefined : this.#claim(claim, process, link)
    if (holder !== undefined && holder !== '!') {
      leave(`occupied ${holder}`)
      return
    }
    if (detach === undefined) {
      if (holder === '!') {
        leave(`unwritable ${this.trouble ?? '8192 1000 '}`)
        return
      }
      say('attached')
      this.#runAttached(script, marker, channel, claim, process)
      return
    }
    if (holder === '!' && detach.withoutFile === 'unwritable') {
      leave(`unwritable ${this.trouble ?? '8192 1000 '}`)
      return
    }
    if (holder === '!') {
      say('attached')
      this.#runAttached(script, marker, channel, claim, process)
      return
    }
    const isMade = this.disk.has(detach.file)
      ? !detach.refusesSecond && this.#overwrite(detach.file)
      : this.disk.create(detach.file)
    if (!isMade) {
      leave('taken')
      return
    }
    const told = `${process.pid} (sh) S 1\n${detach.relay} ${detach.relayOffset}\n`
    if (this.disk.append(detach.file, Buffer.from(told)) < told.length) {
      if (detach.removesTorn) this.disk.remove(detach.file)
      if (detach.withoutFile === 'unwritable') {
        leave(`unwritable ${this.trouble ?? '8192 1000 '}`)
        return
      }
      say('attached')
      this.#runAttached(script, marker, channel, claim, process)
      return
    }
    const relay = this.#relays.get(detach.relay)
    if (relay === undefined || !relay.open(process, detach.forgets)) {
      this.disk.remove(detach.file)
      leave('gone')
      return
    }
    if (detach.tells) say(`detached /bin/bash ${this.#options.loginPrint}`)
    this.#detached.set(detach.file, { process, link })
    this.#runScript(script, process, {
      marker,
      claim,
      print: (bytes) => relay.write(bytes),
      over: (exit, line) => {
        relay.close(process)
        this.#detached.delete(detach.file)
        if (line !== undefined && this.disk.has(detach.file)) this.disk.append(detach.file, Buffer.from(line))
        this.#end(channel, exit)
      },
    })
  }

  /** Without the shell's word that a file must be new. */
  #overwrite(file: string): boolean {
    this.disk.truncate(file)
    return true
  }

  #runAttached(
    script: GeneratedScript,
    marker: string,
    channel: Channel,
    claim?: Claim,
    started?: MachineProcess,
  ): void {
    const process: MachineProcess = started ?? this.#process(marker, () => this.#shellKilled(process))
    this.#runScript(script, process, {
      marker,
      claim,
      print: (bytes) => {
        // Whoever prints to a channel that is over is ended by that.
        if (channel.isHeard()) channel.write('stdout', bytes)
        else this.#kill(process)
      },
      over: (exit) => this.#end(channel, exit),
    })
  }

  #runScript(
    script: GeneratedScript,
    process: MachineProcess,
    {
      marker,
      claim,
      print,
      over,
    }: {
      readonly marker: string
      readonly claim: Claim | undefined
      readonly print: (bytes: Buffer) => void
      readonly over: (exit: ExitStatus, line?: string) => void
    },
  ): void {
    const { clock, watch } = this.#options
    this.#runs += 1
    const running: RunningScript = {
      run: `${this.id}/${this.#runs}`,
      machine: this.id,
      job: undefined,
      script: 'step',
      marker,
      directory: script.directory,
      startedAt: clock.now(),
    }
    this.#scripts.set(process, running)
    const others = (): boolean => [...this.#processes].some((other) => other !== process && other.marker === marker)
    const shell = new ScriptRun(script, process, {
      clock: { now: () => clock.now(), wallTime: () => clock.wallTime(), after: (ms, act) => this.#after(ms, act) },
      uptime: () => this.uptime,
      hostname: this.id,
      trouble: () => this.trouble,
      print,
      fill: (bytes) => {
        this.disk.othersBytes += bytes
      },
      leave: () => {
        const left = this.#process(marker, () => {})
        left.isStubborn = process.isStubborn
        this.#left.set(marker, running)
      },
      hasOthers: others,
      named: (job, name) => {
        running.job = job
        running.script = name
        watch.started(running)
      },
      said: (line) => watch.said(running, line),
      ended: (status, sweep, uptime) => {
        this.#scripts.delete(process)
        this.#processes.delete(process)
        this.#shells.delete(process)
        if (claim?.frees === true && sweep === 'swept') this.disk.overwrite(claim.file, free)
        if (running.job !== undefined) watch.ended(running, status, others())
        over({ code: 0 }, `${status} ${sweep} ${uptime}\n`)
      },
    })
    this.#shells.set(process, { shell, over })
    shell.start()
  }

  #shellKilled(process: MachineProcess): void {
    const running = this.#scripts.get(process)
    const run = this.#shells.get(process)
    this.#scripts.delete(process)
    this.#shells.delete(process)
    run?.shell.kill()
    if (running?.job !== undefined) {
      const leftovers = [...this.#processes].some(({ marker }) => marker === running.marker)
      this.#options.watch.ended(running, 'killed', leftovers)
    }
    run?.over({ signal: 'TERM' })
  }

  #endJob(text: string, channel: Channel): void {
    const marker = found(/grep -e '\^==> \/proc\/' -e '\^RUNNER_CORE_JOB=(\w+)\$'/, text)
    const [limit = 0, grace = 0] = [...text.matchAll(/rc_age -ge (\d+) \]/g)].map(
      ([, hundredths]) => Number(hundredths) * 10,
    )
    const ofJob = (): readonly MachineProcess[] => [...this.#processes].filter((process) => process.marker === marker)
    const answer = (text: string): void => {
      channel.write('stdout', `${text}\n`)
      this.#end(channel, { code: 0 })
    }
    for (const process of ofJob()) if (!process.isStubborn) this.#kill(process)
    const frees = /for rc_f in (\S+\/slot\.\w+)\.\*; do/.exec(text)?.[1]
    const finish = (): void => {
      if (frees !== undefined && ofJob().length === 0)
        for (const file of this.disk.names)
          if (file.startsWith(`${frees}.`) && this.#holder(file) === marker) this.disk.overwrite(file, free)
      const left = this.#left.get(marker)
      if (left !== undefined && ofJob().length === 0) {
        this.#left.delete(marker)
        this.#options.watch.cleaned(left)
      }
      answer(
        ofJob().length === 0
          ? 'clean'
          : `left ${ofJob()
              .map(({ pid }) => pid)
              .join(' ')}`,
      )
    }
    if (ofJob().length === 0) this.#after(cleanMs, finish)
    else
      this.#after(Math.min(grace, limit), () => {
        for (const process of ofJob()) this.#kill(process)
        this.#after(cleanMs, finish)
      })
  }

  #follow(text: string, channel: Channel): void {
    const nonce = found(/\\036(\w+) following %s\\036/, text)
    const file = found(/rc_f=(\S+)/, text)
    const directory = found(/rc_o=(\S+)\/\$rc_o\.out/, text)
    const offset = Number(found(/rc_at=\$\(\(rc_at \+ (\d+)\)\)/, text))
    const lines = (): readonly string[] => (this.disk.read(file)?.toString() ?? '').split('\n').slice(0, -1)
    const [, place] = lines()
    if (place === undefined) {
      channel.write(
        'stdout',
        `\x1e${nonce} ${this.disk.has(file) && text.includes(' torn\\036') ? 'torn' : 'absent'}\x1e`,
      )
      this.#end(channel, { code: 0 })
      return
    }
    channel.write('stdout', `\x1e${nonce} following ${this.uptime}\x1e`)
    const [relay, begin] = place.split(' ')
    const out = `${directory}/${relay}.out`
    if (!this.disk.has(out)) this.disk.create(out)
    let at = Number(begin) + offset
    let isOver = false
    const cancels = new Set<CancelTimer>()
    const later = (ms: number, act: () => void): void => {
      const cancel = this.#after(ms, () => {
        cancels.delete(cancel)
        if (!isOver) act()
      })
      cancels.add(cancel)
    }
    // Whoever asks for the script has given the connection up that it was started on.
    this.#detached.get(file)?.link.close()
    const pass = (): void => {
      const bytes = this.disk.read(out)?.subarray(at) ?? Buffer.alloc(0)
      at += bytes.length
      if (bytes.length > 0) channel.write('stdout', bytes)
    }
    let unwatch = (): void => {}
    const look = (tries: number): void => {
      if (this.disk.size(out) >= at) {
        pass()
        unwatch = this.disk.watch(out, pass)
      } else if (tries < 40) later(50, () => look(tries + 1))
    }
    look(0)
    const watchEnd = (): void => {
      if (this.#detached.has(file)) {
        later(1000, watchEnd)
        return
      }
      channel.write('stderr', `${nonce} gone ${lines()[2] ?? 'killed'}\n`)
    }
    watchEnd()
    channel.read(
      () => {},
      () => {
        isOver = true
        unwatch()
        for (const cancel of cancels) cancel()
        this.#end(channel, { code: 0 })
      },
    )
  }

  #wipe(text: string, channel: Channel): void {
    const lost = new Set(/rc_lost=; for rc_f in (.*); do rc_relay/.exec(text)?.[1]?.split(' ') ?? [])
    const directory = found(/find (\S+) ! -type d/, text)
    const relayOf = (file: string): string | undefined => this.disk.read(file)?.toString().split('\n')[1]?.split(' ')[0]
    const relays = [...lost].flatMap((file) => relayOf(file) ?? [])
    for (const file of found(/^rm -f (.*)$/m, text).split(' ')) this.disk.remove(file)
    const used = new Set(this.disk.names.filter((name) => name.endsWith('.pid')).map(relayOf))
    for (const relay of relays) if (!used.has(relay)) this.disk.remove(`${directory}/${relay}.out`)
    channel.write('stdout', 'wiped\n')
    this.#end(channel, { code: 0 })
  }

  /** The job that holds a slot; `''`: none does. */
  #holder(file: string): string {
    const [holder = ''] = this.disk.read(file)?.toString().split(/[ \n]/) ?? []
    return holder === '-' ? '' : holder
  }

  /** Undefined: the job has the slot now. Else the job that has it, or `!` where that cannot be written. */
  #claim({ file, marker, words }: Claim, process: MachineProcess, link: Link): string | undefined {
    const holder = this.#holder(file)
    if (holder !== '' && holder !== marker) return holder
    if (!this.#hasDirectory && this.trouble !== undefined) return '!'
    this.#hasDirectory = true
    this.#claims.set(file, { process, link })
    return this.disk.overwrite(file, Buffer.from(`${words}\n${process.pid} (sh) S 1\n`)) ? undefined : '!'
  }

  #reportSlots(text: string, channel: Channel): void {
    const files = found(/^for rc_f in (\S+\/slot\.\w+)\.\*\./m, text)
    for (const file of this.disk.names) {
      const holder = this.#holder(file)
      if (!file.startsWith(`${files}.`) || holder === '') continue
      const [, manager, run] = this.disk.read(file)!.toString().split('\n')[0]!.split(' ')
      const { process, link } = this.#claims.get(file) ?? {}
      const shell =
        process === undefined || !this.#processes.has(process) ? 'gone' : link?.isOpen === true ? 'connected' : 'alive'
      channel.write('stdout', `held ${file.slice(files.length + 1)} ${holder} ${manager} ${run} ${shell}\n`)
    }
    channel.write('stdout', `disk ${this.trouble ?? '8192 1000 '}\ndone\n`)
    this.#end(channel, { code: 0 })
  }

  #process(marker: string | undefined, onKilled: () => void): MachineProcess {
    this.#pids += 1
    const process: MachineProcess = { pid: this.#pids, marker, isStubborn: false, onKilled }
    this.#processes.add(process)
    return process
  }

  #kill(process: MachineProcess): void {
    if (this.#processes.delete(process)) process.onKilled()
  }

  #end(channel: Channel, status: ExitStatus): void {
    channel.exit(status)
    channel.close()
  }

  /** Nothing happens on a machine that is off. */
  #after(ms: number, act: () => void): CancelTimer {
    return this.#options.clock.after(ms, () => {
      if (this.#options.isUp()) act()
    })
  }

  /**
   * What a look at the disk says: free KiB and inodes, and the error of a small file; undefined: it could be written.
   */
  get trouble(): string | undefined {
    return this.disk.freeBytes >= 4096 ? undefined : '0 1000 No space left on device'
  }

  /** Seconds, as `/proc/uptime` has them. */
  get uptime(): string {
    return ((this.#options.clock.now() - this.#bootedAt) / 1000).toFixed(2)
  }
}

/** A slot that a script takes before it starts. */
interface Claim {
  readonly file: string
  readonly marker: string
  /** What is written there. */
  readonly words: string
  /** Whether the script frees it once it is sure to have left nothing. */
  readonly frees: boolean
}

function readClaim(text: string): Claim | undefined {
  const [, file] = /rc_slot=(\S+\/slot\.\w+\.\d+)\."\$rc_h"/.exec(text) ?? []
  if (file === undefined) return undefined
  const words = found(/printf '%s\\n' '(\w+ \w+ \w+)' "\$rc_l" 1<>"\$rc_slot"/, text)
  return { file, words, marker: words.split(' ')[0]!, frees: text.includes('echo - 1<>"$rc_slot"') }
}

interface Prelude {
  /** That tells of the script. */
  readonly file: string
  readonly relay: string
  readonly relayOffset: number
  /** Whether it makes the relay forget what it had from another job. */
  readonly forgets: boolean
  /** Whether it says what its shell is like. */
  readonly tells: boolean
  /** Whether a second one of its name does not start. */
  readonly refusesSecond: boolean
  /** What becomes of it where the file cannot be written. */
  readonly withoutFile: string
  /** Whether a file that could not be written whole is removed. */
  readonly removesTorn: boolean
}

/** What `detachedScript` put before a script; undefined: nothing. */
function readPrelude(text: string): Prelude | undefined {
  if (!text.startsWith('{ set -- "$PWD"; rc_d=attached')) return undefined
  const prelude = text.slice(0, text.indexOf('{ unset s; '))
  const [, relay = '', offset = '0'] = /'(\w+) (\d+)' && rc_d=detached/.exec(prelude) ?? []
  return {
    file: found(/rc_d=detached; \} >(\S+)/, prelude),
    relay,
    relayOffset: Number(offset),
    forgets: /true >\|\S+\.out; /.test(prelude),
    tells: prelude.includes(' detached %s\\036'),
    refusesSecond: prelude.includes('set -C'),
    withoutFile: found(/rc_d=taken; else rc_d=(\w+); fi/, prelude),
    removesTorn: prelude.includes('torn) rm -f'),
  }
}

function found(pattern: RegExp, text: string): string {
  const [, part] = pattern.exec(text) ?? []
  if (part === undefined) throw new Error(`the world's machine does not find ${pattern} in: ${text.slice(0, 300)}`)
  return part
}
