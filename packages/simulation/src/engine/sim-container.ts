import type { Clock } from '@runner-core/fleeting'
import { readScript } from '../machine/generated-script.ts'
import type { MachineProcess } from '../machine/machine-process.ts'
import { ScriptRun } from '../machine/script-run.ts'
import type { MachineWatch, RunningScript } from '../machine/sim-machine.ts'
import type { EngineTime } from './engine-time.ts'

/** What a container is made with, as far as the world needs it. */
export interface ContainerSpec {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly imageId: string
  /** What runs in it. */
  readonly runs: 'a shell' | 'a service'
  /** `SOURCE:DESTINATION` of each volume. */
  readonly binds: readonly string[]
  readonly network: string
  readonly pidMode: string
}

export interface ContainerSurroundings {
  readonly machine: string
  readonly clock: Clock
  readonly time: EngineTime
  readonly watch: Pick<MachineWatch, 'started' | 'said' | 'ended'>
  /** Names a run of a script. */
  readonly nameRun: () => string
  readonly uptime: () => string
  readonly trouble: () => string | undefined
  readonly fill: (bytes: number) => void
  readonly onUnknown: (error: Error) => void
}

export interface LogPiece {
  /** See {@link EngineTime}. */
  readonly at: number
  readonly bytes: Buffer
}

/** Takes bytes, until they end. */
export interface OutputReader {
  take(bytes: Buffer): void
  end(): void
}

/** How a shell ends that was given a part of a command. */
const syntaxError = 2
const killed = 137

const opened = /^\{ printf '\\036(\w+) opened\\036'\n([\s\S]*)\n\}\n$/
const nextScript = /(?<=\n\}\n)(?=\{ printf '\\036)/

/** A container of a simulated Engine: a shell that takes scripts from its standard input, or a service. */
export class SimContainer {
  readonly id: string
  readonly spec: ContainerSpec
  state: 'created' | 'running' | 'exited' | 'removing' = 'created'
  /** As the Engine writes it. */
  startedAt = '0001-01-01T00:00:00Z'
  exitCode = 0
  readonly #around: ContainerSurroundings
  readonly #log: LogPiece[] = []
  readonly #readers = new Set<OutputReader>()
  readonly #waiting = new Set<() => void>()
  /** What the shell has not read. */
  #input = ''
  #isInputOver = false
  /** How often it has ended: an input is of one life of it. */
  #ends = 0
  #script: { readonly running: RunningScript; readonly run: ScriptRun; readonly process: MachineProcess } | undefined
  /** Processes beside the shell. */
  #left: { readonly isStubborn: boolean }[] = []

  constructor(id: string, spec: ContainerSpec, around: ContainerSurroundings) {
    this.id = id
    this.spec = spec
    this.#around = around
  }

  /** The script that runs in it. */
  get script(): RunningScript | undefined {
    return this.#script?.running
  }

  start(): void {
    this.state = 'running'
    this.exitCode = 0
    this.startedAt = this.#around.time.written(this.#around.time.next())
    if (this.spec.runs === 'a shell') this.#read()
  }

  /** Passes on what it prints from now on, and takes input: the first one that ends it, ends it for all. */
  attach(reader: OutputReader): OutputReader {
    this.#readers.add(reader)
    const ends = this.#ends
    return {
      take: (bytes) => {
        if (this.#isInputOver || this.#ends !== ends) return
        this.#input += bytes.toString()
        this.#read()
      },
      end: () => {
        if (this.#ends !== ends) return
        this.#isInputOver = true
        this.#read()
      },
    }
  }

  detach(reader: OutputReader): void {
    this.#readers.delete(reader)
  }

  /** What it printed from then on, and, if `follows`, goes on to print. */
  readLog(from: number, follows: boolean, reader: OutputReader): void {
    for (const { at, bytes } of this.#log) if (at >= from) reader.take(bytes)
    if (follows && this.state === 'running') this.#readers.add(reader)
    else reader.end()
  }

  /** Calls back once it does not run. */
  whenEnded(ended: () => void): void {
    if (this.state === 'running') this.#waiting.add(ended)
    else ended()
  }

  kill(): void {
    const script = this.#script
    this.#script = undefined
    script?.run.kill()
    if (script?.running.job !== undefined) this.#around.watch.ended(script.running, 'killed', false)
    this.#exit(killed)
  }

  /** All of its processes but the first are asked to end. */
  askToEnd(): void {
    this.#left = this.#left.filter(({ isStubborn }) => isStubborn)
    if (this.#script?.process.isStubborn === false) this.#script.run.endLines()
  }

  #read(): void {
    if (this.state !== 'running' || this.#script !== undefined) return
    const [text = '', ...rest] = this.#input.split(nextScript)
    if (text.endsWith('\n}\n')) {
      this.#input = rest.join('')
      try {
        this.#run(text)
      } catch (error) {
        this.#around.onUnknown(error as Error)
      }
    } else if (this.#isInputOver) this.#exit(text === '' ? this.exitCode : syntaxError)
  }

  #run(text: string): void {
    const { machine, clock, watch, nameRun, uptime, trouble, fill } = this.#around
    const [, nonce, body = text] = opened.exec(text) ?? []
    if (nonce !== undefined) this.#print(`\x1e${nonce} opened\x1e`)
    const script = readScript(body.slice(Math.max(0, body.indexOf('{ unset s; '))))
    const process: MachineProcess = { pid: 1, marker: undefined, isStubborn: false, onKilled() {} }
    const running: RunningScript = {
      run: nameRun(),
      machine,
      job: undefined,
      script: 'step',
      marker: this.spec.name,
      directory: this.#placeOf(script.directory),
      startedAt: clock.now(),
    }
    const run = new ScriptRun(script, process, {
      clock,
      uptime,
      hostname: machine,
      trouble,
      print: (bytes) => this.#print(bytes),
      fill,
      leave: () => this.#left.push({ isStubborn: process.isStubborn }),
      hasOthers: () => this.#left.length > 0,
      named: (job, name) => {
        running.job = job
        running.script = name
        watch.started(running)
      },
      said: (line) => watch.said(running, line),
      ended: (status) => {
        this.#script = undefined
        if (running.job !== undefined) watch.ended(running, status, false)
        this.#read()
      },
    })
    this.#script = { running, run, process }
    run.start()
  }

  /** What is mounted there, and where: two at once in one place would be in each other's way. */
  #placeOf(directory: string): string {
    const path = directory.replaceAll("'", '')
    const bind = this.spec.binds.find((each) => path.startsWith(`${each.split(':')[1]}/`))
    return `${bind?.split(':')[0] ?? this.spec.name} ${path}`
  }

  #print(text: Buffer | string): void {
    const bytes = Buffer.from(text)
    this.#log.push({ at: this.#around.time.next(), bytes })
    for (const reader of this.#readers) reader.take(bytes)
  }

  #exit(code: number): void {
    if (this.state !== 'running') return
    this.state = 'exited'
    this.#ends += 1
    this.exitCode = code
    this.#input = ''
    this.#isInputOver = false
    this.#left = []
    for (const reader of this.#readers) reader.end()
    this.#readers.clear()
    for (const ended of this.#waiting) ended()
    this.#waiting.clear()
  }
}
