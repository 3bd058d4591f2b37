import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { WireConnectorConfig } from '../src/wire/messages.ts'

/** How the fake plugin starts, and what it says of itself. */
export interface FakePluginSettings {
  readonly network?: 'unix' | 'tcp'
  /** Takes the host's offer of TLS. */
  readonly tls?: boolean
  readonly stderr?: readonly string[]
  /** Ends at once. */
  readonly exitCode?: number
  /** Listens, and does not say where. */
  readonly isSilent?: boolean
  /** Another first line. */
  readonly handshake?: { readonly line?: string }
  /** Does not end when it is asked to. */
  readonly staysUp?: boolean
  readonly groupId?: string
  readonly maxSize?: number
  readonly capabilities?: readonly string[]
  readonly connectInfo?: Partial<WireConnectorConfig> & {
    readonly internalAddr?: string
    readonly externalAddr?: string
    readonly expires?: number
  }
}

/** What goes wrong from the next call on. */
export interface FakeFaults {
  /** Methods that refuse. */
  readonly errors?: Readonly<Record<string, { readonly text: string; readonly code?: number }>>
  /** The method that waits until it is cancelled, and the one in which the process is killed. */
  readonly hang?: string
  readonly dieIn?: string
  /** The method in which the connections break, a moment before the process ends. */
  readonly cutIn?: string
  /** The method after which the process is killed, before its answer is out. */
  readonly dieAfter?: string
  /** Increase makes so many and refuses. */
  readonly increaseOnly?: { readonly count: number; readonly text: string }
  readonly decreaseStopsAt?: string
  /** Suspend and Resume do so many and refuse. */
  readonly powerOnly?: number
  /** Update breaks off. */
  readonly listFailsAfter?: number
}

export interface FakeMachine {
  readonly id: string
  /** The wire's number. */
  readonly state: number
}

export interface FakeCall {
  readonly method: string
  readonly request?: unknown
  readonly pid: number
  /** Came while another was under way that may not be disturbed. */
  readonly overlapping: boolean
}

/** The fake plugin as an executable file, with its cloud beside it. */
export class FakePluginFile {
  readonly directory: string = mkdtempSync(join(tmpdir(), 'fake-plugin-'))
  readonly file: string

  constructor(settings: FakePluginSettings = {}, name = 'fleeting-plugin-fake') {
    this.file = join(this.directory, name)
    this.change(settings)
    const program = fileURLToPath(new URL('./fake-plugin.ts', import.meta.url))
    // `exec`, so that the process is the plugin itself.
    const script = `#!/bin/sh\nFAKE_PLUGIN_DIRECTORY='${this.directory}' exec '${process.execPath}' --conditions=@runner-core/source '${program}'\n`
    writeFileSync(this.file, script)
    chmodSync(this.file, 0o755)
  }

  /** For its next start. */
  change(settings: FakePluginSettings): void {
    this.#write('settings.json', settings)
  }

  set faults(faults: FakeFaults) {
    this.#write('faults.json', faults)
  }

  get machines(): readonly FakeMachine[] {
    return this.#read<FakeMachine[]>('machines.json') ?? []
  }

  set machines(machines: readonly FakeMachine[]) {
    this.#write('machines.json', machines)
  }

  get calls(): readonly FakeCall[] {
    const path = join(this.directory, 'calls.jsonl')
    const lines = existsSync(path) ? readFileSync(path, 'utf8').split('\n').filter(Boolean) : []
    return lines.map((line) => JSON.parse(line) as FakeCall)
  }

  called(method: string): readonly FakeCall[] {
    return this.calls.filter((call) => call.method === method)
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true })
  }

  #write(name: string, value: unknown): void {
    writeFileSync(join(this.directory, name), JSON.stringify(value))
  }

  #read<T>(name: string): T | undefined {
    const path = join(this.directory, name)
    return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as T) : undefined
  }
}
