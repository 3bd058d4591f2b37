import { execFileSync } from 'node:child_process'

export { makeChangedImage as makeImage } from '@runner-core/testkit/containers/changed-image'

export const docker = (...args: string[]): string => execFileSync('docker', args, { encoding: 'utf8' }).trim()
