/**
 * What `packages/testkit` makes archives and local environments from. Not public: it exists under the condition
 * `@runner-core/source` only, which no installed package is resolved with.
 *
 * @module
 */

export type { ArchiveEntry } from './archive/archive-entry.ts'
export type { ArchiveErrorCode } from './archive/archive-error.ts'
export { ArchiveFile } from './archive/archive-file.ts'
export type { ArchiveLimits } from './archive/archive-limits.ts'
export { type OpenedArchive, openArchive } from './archive/open-archive.ts'
export { type TarHeader, tarEnd, tarHeaders, tarPadding } from './archive/tar/tar-header.ts'
export type { ExperimentalShell } from './job-environment.ts'
export { pwshCommand } from './script/pwsh-command.ts'
