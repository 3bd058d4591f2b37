#!/usr/bin/env -S node --max-semi-space-size=1 --no-opt --v8-pool-size=1 --expose-gc
import { runPlugin } from '@runner-core/fleeting-goplugin/run-plugin'

await runPlugin(import.meta.url)
