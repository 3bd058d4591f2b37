/**
 * The wire's messages once decoded: a field that was not sent has proto3's default, a sub-message that was not sent is
 * null.
 */
export interface WireMessages {
  readonly Empty: Readonly<Record<string, never>>
  readonly InitRequest: InitRequest
  readonly InitResponse: InitResponse
  readonly UpdateResponse: UpdateResponse
  readonly IncreaseRequest: { readonly n: number }
  readonly IncreaseResponse: { readonly succeeded: number }
  /** Requests of Decrease, Suspend and Resume. */
  readonly Instances: { readonly instances: readonly string[] }
  /** Answers to them. */
  readonly Succeeded: { readonly succeeded: readonly string[] }
  /** Requests of ConnectInfo and Heartbeat. */
  readonly Instance: { readonly instance: string }
  readonly ConnectInfoResponse: ConnectInfoResponse
  readonly StdioData: { readonly channel: number; readonly data: Uint8Array }
  readonly HealthCheck: { readonly service: string }
  /** 1: serving. */
  readonly HealthStatus: { readonly status: number }
  readonly ErrorStatus: {
    readonly code: number
    readonly message: string
    readonly details: readonly { readonly typeUrl: string; readonly value: Uint8Array }[]
  }
}

export interface WireConnectorConfig {
  readonly os: string
  readonly arch: string
  readonly protocol: string
  readonly username: string
  readonly password: string
  /** PEM. Empty: a password is used. */
  readonly key: Uint8Array
  readonly useStaticCredentials: boolean
  /** Nanoseconds. */
  readonly keepalive: number
  /** Nanoseconds. */
  readonly timeout: number
  readonly protocolPort: number
}

export interface InitRequest {
  /** JSON. */
  readonly config: Uint8Array
  /** Go's plugins end in a panic when one of these two is not sent. */
  readonly settings: { readonly connectorConfig: WireConnectorConfig | null } | null
}

export interface InitResponse {
  readonly id: string
  /** What has 64 bits arrives as 4,294,967,295. */
  readonly maxSize: number
  readonly version: string
  readonly buildInfo: string
  readonly capabilities: readonly string[]
}

export interface UpdateResponse {
  readonly instance: string
  readonly state: number
}

export interface ConnectInfoResponse {
  /** Upstream's host ends in a panic when it is not sent. */
  readonly connector: WireConnectorConfig | null
  readonly externalAddr: string
  readonly internalAddr: string
  /** Unix time in seconds; 0 and less: never. */
  readonly expires: number
}
