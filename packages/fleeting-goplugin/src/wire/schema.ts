/**
 * The messages and services of the fleeting protocol, as data: what upstream's `.proto` file says. Host and served
 * plugin use the same. Numbers and names are the wire's; see docs/decisions/goplugin.md for why it is not a file that
 * is parsed.
 */
export const schema = {
  nested: {
    proto: {
      nested: {
        Empty: { fields: {} },
        ConnectorConfig: {
          fields: {
            os: { type: 'string', id: 1 },
            arch: { type: 'string', id: 2 },
            protocol: { type: 'string', id: 3 },
            username: { type: 'string', id: 4 },
            password: { type: 'string', id: 5 },
            key: { type: 'bytes', id: 6 },
            useStaticCredentials: { type: 'bool', id: 7 },
            keepalive: { type: 'int64', id: 8 },
            timeout: { type: 'int64', id: 9 },
            protocolPort: { type: 'int64', id: 10 },
          },
        },
        Settings: { fields: { connectorConfig: { type: 'ConnectorConfig', id: 1 } } },
        InitRequest: { fields: { config: { type: 'bytes', id: 1 }, settings: { type: 'Settings', id: 2 } } },
        InitResponse: {
          fields: {
            id: { type: 'string', id: 1 },
            maxSize: { type: 'uint32', id: 2 },
            version: { type: 'string', id: 3 },
            buildInfo: { type: 'string', id: 4 },
            capabilities: { rule: 'repeated', type: 'string', id: 5 },
          },
        },
        // The state is an enum to its makers; read as a number, one that nobody knows yet is kept too.
        UpdateResponse: { fields: { instance: { type: 'string', id: 1 }, state: { type: 'int32', id: 2 } } },
        IncreaseRequest: { fields: { n: { type: 'uint32', id: 1 } } },
        IncreaseResponse: { fields: { succeeded: { type: 'uint32', id: 1 } } },
        Instances: { fields: { instances: { rule: 'repeated', type: 'string', id: 1 } } },
        Succeeded: { fields: { succeeded: { rule: 'repeated', type: 'string', id: 1 } } },
        Instance: { fields: { instance: { type: 'string', id: 1 } } },
        ConnectInfoResponse: {
          fields: {
            connector: { type: 'ConnectorConfig', id: 1 },
            externalAddr: { type: 'string', id: 2 },
            internalAddr: { type: 'string', id: 3 },
            expires: { type: 'int64', id: 4 },
          },
        },
        StdioData: { fields: { channel: { type: 'int32', id: 1 }, data: { type: 'bytes', id: 2 } } },
        // gRPC's own health service, and the broker of go-plugin, whose messages carry nothing that this protocol
        // needs.
        HealthCheck: { fields: { service: { type: 'string', id: 1 } } },
        HealthStatus: { fields: { status: { type: 'int32', id: 1 } } },
        // google.rpc.Status and the Any in it: how a refusal carries what was done all the same.
        ErrorDetail: { fields: { typeUrl: { type: 'string', id: 1 }, value: { type: 'bytes', id: 2 } } },
        ErrorStatus: {
          fields: {
            code: { type: 'int32', id: 1 },
            message: { type: 'string', id: 2 },
            details: { rule: 'repeated', type: 'ErrorDetail', id: 3 },
          },
        },
      },
    },
  },
} as const
