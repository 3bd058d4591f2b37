// Writes docs/reference/config.md and config-keys.md from the schema that checks config.toml, and limits.md from the
// bounds of a job.
import { writeFileSync } from 'node:fs'
import { configReference, keysReference, limitsReference } from '@runner-core/runner/internals'

writeFileSync(new URL('../docs/reference/config.md', import.meta.url), configReference())
writeFileSync(new URL('../docs/reference/config-keys.md', import.meta.url), keysReference())
writeFileSync(new URL('../docs/reference/limits.md', import.meta.url), limitsReference())
