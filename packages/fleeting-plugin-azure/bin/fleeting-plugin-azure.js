#!/usr/bin/env -S node --max-semi-space-size=2
import { runPlugin } from '@runner-core/fleeting-goplugin/run-plugin'

await runPlugin(import.meta.url)
