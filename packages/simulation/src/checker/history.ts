/**
 * What an onlooker without knowledge of our code can see. Records come in the order in which things happened; `at` is
 * milliseconds on one clock. Names are the onlooker's own and stay the same through a history: of jobs, attempts
 * (hand-outs), processes (lives of a manager), machines, runs of scripts.
 */
export type HistoryRecord = StoryRecord | CoordinatorRecord | MachineRecord | CloudRecord | WaitRecord | TextRecord

interface At {
  readonly at: number
}

/** The frame: what was configured, which processes lived, what the world did to them. */
export type StoryRecord =
  /** Once for each fleet, before all else of it. */
  | (At & {
      readonly kind: 'story'
      /** Default: the only one. */
      readonly fleet?: string
      readonly maxInstances: number
      /** Whether jobs survive the end of their process. Without it a killed process excuses their failure. */
      readonly resumes: boolean
      /** Whether no machine may run jobs of two projects. Default false. */
      readonly separatesProjects?: boolean
      /**
       * Whether machines can be told apart by the launch that made them; otherwise a stranger's may pass for one of
       * ours. Default true.
       */
      readonly tellsLaunches?: boolean
      /**
       * How long lists must have left a machine out before it may be taken for gone, milliseconds. Default 0: two
       * lists.
       */
      readonly disappearanceMs?: number
    })
  | (At & {
      readonly kind: 'process'
      readonly process: string
      readonly state: 'started' | 'stopping' | 'stopped' | 'killed'
    })
  /** Something the world did for which a job, a machine or a reason may rightly differ. No scope: it touches all. */
  | (At & {
      readonly kind: 'trouble'
      readonly what: TroubleKind
      readonly state: 'begins' | 'ends' | 'happens'
      readonly machine?: string
      readonly job?: string
    })
  /** No trouble from here on, and time enough follows for all that must come true. */
  | (At & { readonly kind: 'over' })

/**
 * `unreachable` a machine cannot be connected to, or connections to it were cut · `interrupted` the cloud announced
 * that it takes a machine, or took it · `misreported` the cloud said that a machine which runs does not, or is not
 * there when asked for it alone (being left out of a list is no such thing) · `machine_disk` it has no room · `refused`
 * the coordinator refused a request about a job that is its holder's · `trace_limit` its trace is longer than allowed ·
 * `coordinator` it does not answer, or fails · `cloud` its calls fail · `state` state cannot be written · `boot`
 * machines do not become usable · `power` the managers' computer lost its power, and with it what it was given to keep
 * in the second before.
 */
export type TroubleKind =
  | 'unreachable'
  | 'interrupted'
  | 'misreported'
  | 'machine_disk'
  | 'refused'
  | 'trace_limit'
  | 'coordinator'
  | 'cloud'
  | 'state'
  | 'boot'
  | 'power'

/** What the coordinator did. A request that never reached it is not here. */
export type CoordinatorRecord =
  | (At & { readonly kind: 'job'; readonly job: string; readonly project?: string })
  /** `heard` false: the answer was lost on its way. */
  | (At & {
      readonly kind: 'handed_out'
      readonly job: string
      readonly attempt: string
      readonly to: string
      readonly heard: boolean
    })
  /** Nobody accepted the attempt in time. */
  | (At & { readonly kind: 'taken_back'; readonly job: string; readonly attempt: string })
  | (At & {
      readonly kind: 'accept_told'
      readonly job: string
      readonly attempt: string
      readonly by: string
      readonly answer: Answer
      readonly heard: boolean
    })
  /** A piece of a trace that was stored, byte for byte. */
  | (At & {
      readonly kind: 'trace'
      readonly job: string
      readonly attempt: string
      readonly offset: number
      readonly bytes: Uint8Array
    })
  /** Somebody called the job off; it may still run its last script. */
  | (At & { readonly kind: 'cancel_asked'; readonly job: string })
  | (At & {
      readonly kind: 'end_told'
      readonly job: string
      readonly attempt: string
      readonly by: string
      readonly state: 'success' | 'failed' | 'canceled'
      readonly reason?: string
      /** CRC-32 and length of the whole trace, as told. */
      readonly trace?: { readonly crc32: number; readonly bytes: number }
      readonly answer: Answer
      readonly heard: boolean
    })
  /**
   * The job changed to an end state. `timeout` it took longer than it may · `abandoned` nobody spoke of it for so long
   * that the coordinator gave it up.
   */
  | (At & {
      readonly kind: 'ended'
      readonly job: string
      readonly state: 'success' | 'failed' | 'canceled'
      readonly reason?: string
      readonly by: 'runner' | 'cancel' | 'timeout' | 'abandoned'
    })

/**
 * `taken` and it counts · `again` not done with it, or not so: ask again · `refused` the job is not theirs or has ended
 * · `failed` no usable answer, and no effect.
 */
export type Answer = 'taken' | 'again' | 'refused' | 'failed'

/** What happened on the machines, as their own processes and disks show it. */
export type MachineRecord =
  | (At & {
      readonly kind: 'script_started'
      /** Names this run of a script. */
      readonly run: string
      readonly machine: string
      readonly slot: string
      readonly job: string
      /** Default: the last that was handed out. */
      readonly attempt?: string
      /**
       * Which of the job's scripts, with the number of the try where it may be tried again. Its own is `step`, the
       * default.
       */
      readonly script?: string
    })
  /** The script printed this line, and nothing else printed it. Without its line feed. */
  | (At & { readonly kind: 'line'; readonly run: string; readonly text: string })
  /** `leftovers`: processes of it live on. */
  | (At & {
      readonly kind: 'script_ended'
      readonly run: string
      readonly exit: number | 'killed'
      readonly leftovers?: boolean
    })
  | (At & { readonly kind: 'processes_ended'; readonly run: string })
  /**
   * Something that outlives scripts was made on a machine, as a container or its network: for a job, unless that cannot
   * be said. What is kept for later jobs is not here. `strange`: somebody else made it.
   */
  | (At & {
      readonly kind: 'made'
      readonly machine: string
      readonly thing: string
      readonly job?: string
      readonly strange?: boolean
    })
  | (At & { readonly kind: 'removed'; readonly machine: string; readonly thing: string })

/** What the cloud was asked and did. */
export type CloudRecord =
  | (At & {
      readonly kind: 'launch_asked'
      readonly fleet?: string
      readonly token: string
      readonly count: number
      readonly by: string
    })
  /**
   * How the cloud decided: machines that are there now or will be, and what it refused. `heard` is not told: it does
   * not matter here.
   */
  | (At & {
      readonly kind: 'launch_decided'
      readonly token: string
      readonly accepted: number
      readonly error?: string
    })
  /**
   * `exists` it takes up room · `lives` its processes run · `dead` they do not, and never will · `gone` it takes up no
   * room. `asked` a launch of ours made it; others' are `strange`.
   */
  | (At & {
      readonly kind: 'machine'
      readonly fleet?: string
      readonly machine: string
      readonly state: 'exists' | 'lives' | 'dead' | 'gone'
      readonly origin?: 'asked' | 'strange'
      readonly token?: string
    })
  /** `deleting`: those of `machines` that the cloud said are on their way out. */
  | (At & {
      readonly kind: 'listed'
      readonly fleet?: string
      readonly machines: readonly string[]
      readonly deleting?: readonly string[]
    })
  | (At & { readonly kind: 'delete_asked'; readonly machines: readonly string[]; readonly by: string })

/** A job that has no slot yet was told why. */
export type WaitRecord = At & {
  readonly kind: 'wait_told'
  readonly fleet?: string
  readonly job: string
  readonly by: string
  readonly text: string
}

/**
 * `secret`: from here on it must be read nowhere. `recorded`: what was written to a log, a trace, a page, an error or a
 * disk. Traces that the coordinator stored are looked at as well.
 */
export type TextRecord =
  | (At & { readonly kind: 'secret'; readonly text: string })
  | (At & { readonly kind: 'recorded'; readonly where: string; readonly text: string })
