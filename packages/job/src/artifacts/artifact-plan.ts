import type { JobArtifact } from '../job-payload.ts'

/** Whether a job that went so has to keep them. */
export function isWanted({ when, paths, untracked }: JobArtifact, hasSucceeded: boolean): boolean {
  if (paths.length === 0 && !untracked) return false
  return when === 'always' || (hasSucceeded ? when === '' || when === 'on_success' : when === 'on_failure')
}

/** What the archive is called. `name`: variables replaced. Only what stands behind its last `/` counts. */
export function artifactFilename(
  { artifact_format: format }: Pick<JobArtifact, 'artifact_format'>,
  name: string,
): string {
  const last = name.replace(/\/+$/, '').split('/').at(-1) ?? ''
  // Nothing that could end a header.
  const base = last.replaceAll(/[\0-\x1f\x7f]/g, '_')
  const stem = base === '' || base === '.' || base === '..' ? 'default' : base
  return `${stem}${extensions[format] ?? ''}`
}

const extensions: Readonly<Record<string, string>> = {
  '': '.zip',
  zip: '.zip',
  zipzstd: '.zip',
  gzip: '.gz',
  tarzstd: '.tar.zst',
}
