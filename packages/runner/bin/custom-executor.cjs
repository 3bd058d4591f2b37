#!/usr/bin/env -S node --v8-pool-size=0
// One call of GitLab Runner's custom executor: passes it on to the daemon that has the machines, and what comes of it
// back. Each stage of each job is a start of this program, so it is plain JavaScript that loads nothing but what it
// needs, and it starts no threads for V8.
'use strict'
const fs = require('node:fs')
const net = require('node:net')
const path = require('node:path')

/** See `frameKind`. */
const [out, err, accepted, end] = [1, 2, 3, 4]
const { env } = process
const exitCodes = { ok: 0, build: codeOf('BUILD_FAILURE_EXIT_CODE', 1), system: codeOf('SYSTEM_FAILURE_EXIT_CODE', 2) }
const calls = ['config', 'prepare', 'run', 'cleanup']
/** From one try to reach a daemon that begins to the next. */
const retryMs = 10
/** A log that is longer when a daemon begins is put aside. */
const longLogBytes = 16 * 1024 * 1024

let daemon
let isAccepted = false
let isStopped = false

/** `words`: what stands after `custom-executor`. */
function main([call, ...words]) {
  // GitLab Runner puts its words behind those of its configuration, where ours was forgotten.
  if (!calls.includes(call))
    return fail(`expected config, prepare, run or cleanup as the first argument, got ${call ?? 'none'}`)
  const { options, rest } = parse(words)
  const temporaryDirectory = env.TMPDIR
  // GitLab Runner cleans up too where it could not even make the job's directory.
  if (call === 'cleanup' && !temporaryDirectory) process.exit(0)
  if (!temporaryDirectory) return fail('expected the variable TMPDIR, which GitLab Runner sets, got none')
  const [script, stage] = rest.slice(-2)
  if (call === 'run' && rest.length < 2)
    return fail('expected the path of a script and the name of a stage after the options, got less')
  // One that an earlier stage left would be taken for this one's.
  if (call === 'run' && env.BUILD_EXIT_CODE_FILE) fs.rmSync(env.BUILD_EXIT_CODE_FILE, { force: true })
  // Nobody would know why a job that waits for them fails.
  if (call === 'prepare' && env.CUSTOM_ENV_CI_JOB_SERVICES)
    write(1, Buffer.from('WARNING: services are not started: the job runs on the machine itself\n'))
  const config = path.resolve(options['--config'] ?? 'config.toml')
  const directory = directoryOf(options, config)
  const request = {
    call,
    temporaryDirectory: path.resolve(temporaryDirectory),
    owner: process.ppid,
    ...(options['--runner'] && { runner: options['--runner'] }),
    ...(env.JOB_RESPONSE_FILE && { jobFile: env.JOB_RESPONSE_FILE }),
    ...(call === 'run' && { script: path.resolve(script), stage }),
  }
  connect(`${JSON.stringify(request)}\n`, { call, config, directory, options })
}

function connect(request, to) {
  const socket = net.connect(path.join(to.directory, 'socket'))
  let isConnected = false
  let isOver = false
  let pending = Buffer.alloc(0)
  const stop = () => {
    isStopped = true
    // The job's processes are on another machine: they are ended there, and what they say until then is still told.
    if (isConnected) socket.write('stop\n')
  }
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.on(signal, stop)
  socket.on('connect', () => {
    isConnected = true
    socket.write(isStopped ? `${request}stop\n` : request)
  })
  socket.on('data', (chunk) => {
    pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk])
    while (pending.length >= 5) {
      const length = pending.readUInt32BE(1)
      if (pending.length < 5 + length) return
      const payload = pending.subarray(5, 5 + length)
      const kind = pending[0]
      pending = pending.subarray(5 + length)
      if (kind === out) write(1, payload)
      else if (kind === err) write(2, payload)
      else if (kind === accepted) isAccepted = true
      else if (kind === end) {
        isOver = true
        return finish(JSON.parse(payload.toString()))
      }
    }
  })
  socket.on('error', () => {})
  socket.on('close', () => {
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.off(signal, stop)
    if (isOver) return
    if (isAccepted) return fail('the daemon ended during the call')
    unreachable(request, to)
  })
}

function finish(result) {
  // A build's exit status goes beside the exit code, which says whose failure it is.
  if (result.end === 'build' && env.BUILD_EXIT_CODE_FILE)
    fs.writeFileSync(env.BUILD_EXIT_CODE_FILE, `${result.status}\n`)
  process.exit(exitCodes[result.end])
}

function unreachable(request, to) {
  // Nothing is there that could be cleaned up, or go on.
  if (to.call === 'cleanup') process.exit(0)
  if (isStopped) return fail('the call was stopped by a signal')
  if (to.call === 'run') return fail('no daemon is running, so the job has no instance')
  // The directory of the call is the job's: there is no configuration there.
  if (!to.options['--config'])
    return fail('no daemon is running, and no --config says which instances a daemon should manage')
  daemon ??= begin(to)
  if (daemon.code !== undefined && daemon.code !== 0) {
    write(2, Buffer.from(fs.readFileSync(daemon.log).subarray(daemon.logStart)))
    return fail(`the daemon could not start; its log is ${daemon.log}`)
  }
  // Another one was there first, which may have ended since.
  if (daemon.code === 0 && ++daemon.retries > 100) daemon = undefined
  setTimeout(connect, retryMs, request, to)
}

/** In a session of its own, with nothing of the job: neither its environment nor its output. */
function begin({ config, directory, options }) {
  const { spawn } = require('node:child_process')
  const state = { code: undefined, retries: 0, log: path.join(directory, 'daemon.log'), logStart: 0 }
  try {
    fs.mkdirSync(directory, { recursive: true, mode: 0o700 })
    const size = fs.statSync(state.log, { throwIfNoEntry: false })?.size ?? 0
    if (size > longLogBytes) fs.renameSync(state.log, `${state.log}.1`)
    else state.logStart = size
    const log = fs.openSync(state.log, 'a', 0o600)
    const more = ['--directory', '--idle-timeout', '--owner-grace'].flatMap((name) =>
      options[name] ? [name, options[name]] : [],
    )
    const words = [path.join(__dirname, 'runner-core.js'), 'custom-executor', 'daemon', '--config', config, ...more]
    const own = Object.fromEntries(Object.entries(env).filter(([name]) => !isOfJob(name)))
    const child = spawn(process.execPath, ['--max-semi-space-size=2', ...words], {
      detached: true,
      cwd: path.dirname(config),
      env: own,
      stdio: ['ignore', log, log],
    })
    fs.closeSync(log)
    child.on('error', () => (state.code = 1))
    child.on('exit', (code) => (state.code = code ?? 1))
    child.unref()
  } catch (error) {
    fail(`the daemon could not start: ${error.message}`)
  }
  return state
}

function isOfJob(name) {
  return (
    /^(CUSTOM_ENV_|npm_)/.test(name) ||
    [
      'TMPDIR',
      'JOB_RESPONSE_FILE',
      'BUILD_EXIT_CODE_FILE',
      'BUILD_FAILURE_EXIT_CODE',
      'SYSTEM_FAILURE_EXIT_CODE',
    ].includes(name) ||
    ['RUNNER_CORE_PARENT', 'RUNNER_CORE_CUSTOM_EXECUTOR'].includes(name)
  )
}

/** The same as `defaultDirectory`. */
function directoryOf(options, config) {
  const given = options['--directory'] ?? (options['--config'] ? undefined : env.RUNNER_CORE_CUSTOM_EXECUTOR)
  return given ? path.resolve(given) : path.join(path.dirname(config), `.${path.basename(config)}.custom-executor`)
}

/** Options stand first, since GitLab Runner puts its own words last. */
function parse(words) {
  const names = { '-c': '--config' }
  const options = {}
  let at = 0
  for (; words[at]?.startsWith('-'); at += 1) {
    const [, word, inline] = /^([^=]*)(?:=(.*))?$/s.exec(words[at])
    const name = names[word] ?? word
    if (!['--config', '--runner', '--directory', '--idle-timeout', '--owner-grace'].includes(name))
      fail(`unknown option ${word}`)
    options[name] = inline ?? words[++at]
    if (options[name] === undefined) fail(`option ${word}: expected a value, got none`)
  }
  return { options, rest: words.slice(at) }
}

function codeOf(name, otherwise) {
  const code = Number(env[name])
  return Number.isInteger(code) && code > 0 ? code : otherwise
}

function write(descriptor, bytes) {
  for (let at = 0; at < bytes.length; ) {
    try {
      at += fs.writeSync(descriptor, bytes, at)
    } catch (error) {
      // Nobody reads it any more, or there is no room for it, which is no reason to leave the job's processes alone.
      if (error.code !== 'EAGAIN') return
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5)
    }
  }
}

function fail(message) {
  write(2, Buffer.from(`ERROR: runner-core: ${message}\n`))
  process.exit(exitCodes.system)
}

module.exports = { main }
if (require.main === module) main(process.argv.slice(2))
