// Writes docs/reference/config.md from the schema that checks config.toml.
import { writeFileSync } from 'node:fs'
import { configReference } from '../packages/runner/src/config/reference.ts'

writeFileSync(new URL('../docs/reference/config.md', import.meta.url), configReference())
