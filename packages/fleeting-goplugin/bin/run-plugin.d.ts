/**
 * The whole of a plugin's executable: `bin/fleeting-plugin-<name>.js` of a package whose entry exports
 * `createInstanceGroup`. Name and version are those of its `package.json`.
 *
 * @param bin `import.meta.url` of that file, which stands one folder below the package's
 */
export declare function runPlugin(bin: string): Promise<void>
