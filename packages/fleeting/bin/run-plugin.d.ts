import type { CreateInstanceGroup } from '@runner-core/fleeting'

/** What is needed of `@runner-core/fleeting-goplugin/serve`. */
export interface PluginServer {
  goPluginCommand(
    create: CreateInstanceGroup,
    versionInfo: { readonly name: string; readonly version: string },
    args: readonly string[],
  ): Promise<void>
}

/**
 * The whole of a plugin's executable for GitLab Runner: `bin/fleeting-plugin-<name>.js` of a package whose entry
 * exports `createInstanceGroup`. Name and version are those of its `package.json`. Where the server is not installed,
 * the process prints one line that says what to install, and exits with 2.
 *
 * @param bin `import.meta.url` of that file, which stands one folder below the package's
 * @param importServer `() => import('@runner-core/fleeting-goplugin/serve')`, from that file: the server is the
 *   plugin's optional peer
 */
export declare function runPlugin(bin: string, importServer: () => Promise<PluginServer>): Promise<void>
