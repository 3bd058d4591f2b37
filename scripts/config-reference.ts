// Writes docs/reference/config.md from the schema that checks config.toml, and docs/reference/limits.md from the bounds
// of a job.
import { writeFileSync } from 'node:fs'
import { configReference, limitsReference } from '@runner-core/runner/internals'

writeFileSync(new URL('../docs/reference/config.md', import.meta.url), configReference())
writeFileSync(new URL('../docs/reference/limits.md', import.meta.url), limitsReference())
