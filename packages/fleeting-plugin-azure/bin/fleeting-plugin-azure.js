#!/usr/bin/env sh
':' //; exec node --max-semi-space-size=1 --no-opt --v8-pool-size=1 --expose-gc "$0" "$@"
import { runPlugin } from '@runner-core/fleeting/run-plugin'

await runPlugin(import.meta.url, () => import('@runner-core/fleeting-goplugin/serve'))
