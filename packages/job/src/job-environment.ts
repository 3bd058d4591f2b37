/**
 * What a platform can do for a job. An executor implements it over whatever machine it has; the rest of this package
 * knows no machine.
 *
 * @module
 */

/** Shells that scripts are generated for. */
export type ShellName = 'bash' | 'sh'

/**
 * A shell that scripts are generated for, but that no executor offers yet: they were checked as text, and run in the
 * tests only where it is installed.
 */
export type ExperimentalShell = 'pwsh'

/** Takes output as it comes; while a returned promise is pending, no more is read. */
export type OutputSink = (chunk: Buffer) => void | Promise<void>

/**
 * Where a command of the job runs: `job`, where its own lines do, or `helper`, where its files are brought and kept.
 * They share the build directory. Most environments have one place, which is both.
 */
export type JobPlace = 'job' | 'helper'

/** A place beside the job's own, for its files. */
export interface HelperPlace {
  /** What scripts for it are generated for: any image has it. */
  readonly shell: 'sh'
  /**
   * `sources`: a job that gets none is prepared where its own lines run. `everything`: what runs there may not make the
   * build directory.
   */
  readonly prepares: 'sources' | 'everything'
  /**
   * Whether what the helper makes must be open to all users, since the job's own lines run as another one. The build
   * directory is then, too, wherever it is made: the next job's lines may run as yet another one.
   */
  readonly opensFiles: boolean
}

/** One command of the job. */
export interface ScriptRun {
  /** @defaultValue `job` */
  readonly place?: JobPlace
  /** Read by the shell from its standard input: never on a command line, since it holds secrets. */
  readonly script: Buffer
  /**
   * What the script's markers begin with: see the module on markers. An environment that says something of its own in
   * the script's output begins it so too.
   */
  readonly nonce: string
  /**
   * Present when an earlier manager may have started this script: then it is followed from its first byte on, and only
   * started where it was not. `untilBytes`: it ended then; only so much of its output is wanted. `onFound`: takes how
   * long the machine has been up, in seconds as `/proc/uptime` has it, when the script is found there; that is before
   * any of its output.
   */
  readonly resumed?:
    | {
        readonly untilBytes?: number
        readonly onFound?: (uptime: string) => void
        /**
         * Asked where it was not started: false once the job is to stop, which the script's own signal may tell later.
         * Default: it may.
         */
        readonly mayStart?: () => boolean
      }
    | undefined
  readonly stdout: OutputSink
  readonly stderr: OutputSink
  /**
   * Asked when the script has ended, and after each piece of output since: whether the script's last word has been
   * delivered. Then no more output is waited for. A script that says no last word, since it was killed, is waited for a
   * moment: something it left behind may hold its output open for ever.
   */
  readonly isComplete: () => boolean
  /**
   * Aborted when the script must end now. The environment then ends every process of the job before `run` rejects with
   * the signal's reason.
   */
  readonly signal: AbortSignal
}

/**
 * A command beside the job's scripts that moves files: bytes in, bytes out. It runs in the helper where there is one.
 * It is not detached: it ends with its connection.
 */
export interface FileTransfer {
  /**
   * For a POSIX `sh -c`; stands on a command line, so it holds no secrets, and is no longer than 64 KiB. Run in the
   * login's directory, which is also its `$1`.
   */
  readonly command: string
  /** Its standard input, read as fast as the machine takes it. Default: empty. */
  readonly input?: AsyncIterable<Buffer>
  readonly stdout: OutputSink
  readonly stderr: OutputSink
  /**
   * Aborted when the command must end now. The environment then ends every process of the job before `transfer` rejects
   * with the signal's reason.
   */
  readonly signal: AbortSignal
}

/** How a script ended: by its own exit code, or by a signal's name. */
export type ScriptEnd = { readonly exitCode: number } | { readonly signal: string }

/**
 * `lost`: the machine, or the way to it. `failed`: it could not do what was asked. `unwritable`: its disk takes nothing
 * (full, over quota, read-only), so that it serves no job. `occupied`: something of another job may be alive in the
 * job's slot. `cut`: the connection broke under a transfer, there is another one now, and nothing of the transfer is
 * left on the machine: it may be done again.
 */
export type EnvironmentErrorCode = 'lost' | 'failed' | 'unwritable' | 'occupied' | 'cut'

/**
 * Thrown by an environment when its machine or the connection to it was lost, or could not do what was asked: a system
 * failure, never a script's.
 */
export class EnvironmentError extends Error {
  override readonly name = 'EnvironmentError'
  readonly code: EnvironmentErrorCode
  /** The machine was taken away, as its cloud had announced. */
  readonly isInterruption: boolean
  /** For certain none of the job's scripts has begun: it may be run elsewhere. */
  readonly isUntouched: boolean
  /** For certain the machine is no more, and with it all that the job had running there. */
  readonly isGone: boolean

  constructor(code: EnvironmentErrorCode, message: string, options: EnvironmentErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.isInterruption = options.isInterruption ?? false
    this.isUntouched = options.isUntouched ?? false
    this.isGone = options.isGone ?? false
  }
}

export interface EnvironmentErrorOptions {
  readonly cause?: unknown
  readonly isInterruption?: boolean
  readonly isUntouched?: boolean
  readonly isGone?: boolean
}

/**
 * A place where one job runs. Its processes are told from those of other jobs by `jobMarker`, which is in their
 * environment, and by a limit derived from it (see `residentLimit`): the command line that `shellCommand` makes gives a
 * shell both.
 */
export interface JobEnvironment {
  readonly shell: ShellName | ExperimentalShell
  /** For people: the machine and slot, as in `instance i-0abc, slot 2`. */
  readonly description: string
  /** Name of the environment variable that marks the job's processes, and its value, unique for this job. */
  readonly jobMarker: { readonly name: string; readonly value: string }
  /** Where builds go on the machine, relative to the login's home or absolute. */
  readonly buildsDir: string
  /**
   * Unique over everything this manager runs now, small numbers first: part of the build directory, so that machines
   * that share a home never share a directory.
   */
  readonly concurrentId: number
  /** Where a job's files are brought and kept, if not where its own lines run. Default: there. */
  readonly helper?: HelperPlace | undefined
  /**
   * Whether no other job works in the builds directory: the work tree is then `builds_dir/<project>`. Default false.
   */
  readonly ownsBuildsDir?: boolean | undefined
  /** The job's own home, for `HOME`: absolute, or below `loginDirectory`. Absent: the login's, which jobs share. */
  readonly home?: string | undefined
  /** Whether a script puts the login's start-up files back as it found them. Default false. */
  readonly guardsLogin?: boolean | undefined
  /**
   * What the job's log calls the status with which its lines ended. GitLab Runner says `exit code` in containers.
   * @defaultValue `exit status`
   */
  readonly statusTerm?: 'exit status' | 'exit code'
  /** What another manager needs to go on in this environment: JSON. Absent where scripts end with their manager. */
  readonly handle?: unknown
  /**
   * Runs one script to its end: a login shell runs what `shellCommand` gives, in a session of its own (as sshd does
   * it), in the login's directory, with `script` on standard input. A script ends when it ends, even if something it
   * left behind holds its output open. Ending what it left is the script's own business, and `killAll`'s. Rejects with
   * {@link EnvironmentError}.
   */
  run(run: ScriptRun): Promise<ScriptEnd>
  /**
   * Runs a command that moves files to its end, and delivers all its output. A marked shell runs it, as
   * `transferCommand` gives it. Rejects with {@link EnvironmentError}, and with what a sink or the input throws.
   */
  transfer(transfer: FileTransfer): Promise<ScriptEnd>
  /**
   * Ends every process that the job started and that still lives, detached ones included, as `killScript` does.
   * Resolves when none is left; rejects with {@link EnvironmentError}.
   */
  killAll(): Promise<void>
  /** The machine is to serve no other job once this one has ended. `reason` is for people. Default: it may. */
  condemn?(reason: string): void
}
