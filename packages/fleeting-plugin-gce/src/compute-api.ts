/**
 * What the plugin keeps of Compute Engine's answers, by Google's own names. The SDK's objects have each field, present
 * or not, and are not kept.
 *
 * @module
 */

export interface InstanceGroupManager {
  readonly name: string
  readonly description?: string
  /** Must be given back with a change. */
  readonly fingerprint?: string
  readonly targetSize?: number
  /** The URL of a global or regional template. */
  readonly instanceTemplate?: string
  readonly versions?: readonly { readonly instanceTemplate?: string }[]
  /** Of a regional group. */
  readonly distributionPolicy?: {
    readonly zones?: readonly { readonly zone?: string }[]
    readonly targetShape?: string
  }
  readonly updatePolicy?: { readonly type?: string; readonly instanceRedistributionType?: string }
  readonly instanceLifecyclePolicy?: { readonly defaultActionOnFailure?: string; readonly onFailedHealthCheck?: string }
  readonly autoHealingPolicies?: readonly object[]
  readonly listManagedInstancesResults?: string
  readonly allInstancesConfig?: { readonly properties?: { readonly metadata?: Readonly<Record<string, string>> } }
  /** `autoscaler` is the URL of the one that targets the group. */
  readonly status?: { readonly autoscaler?: string }
}

export interface ManagedInstance {
  readonly name: string
  /** Its URL, which there may be before the machine. */
  readonly instance?: string
  readonly currentAction?: string
  /** Absent while there is no machine. */
  readonly instanceStatus?: string
  readonly lastAttempt?: { readonly errors?: { readonly errors?: readonly OperationError[] } }
}

export interface OperationError {
  readonly code?: string
  readonly message?: string
}

export interface Operation {
  readonly name: string
  readonly status?: string
  readonly error?: { readonly errors?: readonly OperationError[] }
  readonly httpErrorStatusCode?: number
  readonly httpErrorMessage?: string
}

/** What a new machine of the group is called, and what it has besides its template. */
export interface PerInstanceConfig {
  readonly name: string
  readonly preservedState?: { readonly metadata: Readonly<Record<string, string>> }
}

export interface Instance {
  readonly id: string
  readonly name: string
  readonly status?: string
  readonly networkInterfaces?: readonly {
    readonly networkIP?: string
    readonly accessConfigs?: readonly { readonly natIP?: string }[]
  }[]
  readonly metadata?: Metadata
}

export interface Metadata {
  /** Must be given back with a change. */
  readonly fingerprint?: string
  readonly items?: readonly MetadataItem[]
}

export interface MetadataItem {
  readonly key: string
  readonly value?: string
}
