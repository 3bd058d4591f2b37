import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { silentLogger, systemClock } from '@runner-core/fleeting'
import type { ScriptRun } from '@runner-core/job'
import { busyboxImage, hasEngine, makeBusyboxImage } from '@runner-core/testkit/containers/busybox-image'
import { isPodman } from '@runner-core/testkit/containers/engine-kind'
import { afterEach, beforeAll, describe, expect, test } from 'vitest'
import { ContainerScript, type ContainerScriptOptions } from '../src/containers/container-script.ts'
import type { ContainerState } from '../src/containers/container-state.ts'
import { findShell } from '../src/containers/find-shell.ts'
import { KnownShells } from '../src/containers/known-shells.ts'
import { EngineConnection } from '../src/engine/engine-connection.ts'
import { EngineFront } from './engine-front.ts'
import { LocalEngine } from './local-engine.ts'
import { docker } from './service-image.ts'

if (isPodman) console.warn('SKIPPED: logs of which a part is left: Podman keeps none of a log that is full')

const never = new AbortController().signal
const local = new LocalEngine()

describe.skipIf(!hasEngine)('a script in a container', () => {
  const made: string[] = []
  const link = local.link(local.acquisition())
  beforeAll(makeBusyboxImage)
  afterEach(async () => {
    const engine = await link.engine(never)
    for (const id of made.splice(0)) await engine.docker.getContainer(id).remove({ force: true, v: true })
  })

  async function container(
    command: readonly string[] = ['sh'],
    logBounds: Readonly<Record<string, string>> = {},
  ): Promise<string> {
    const engine = await link.engine(never)
    const { id } = await engine.docker.createContainer({
      Image: busyboxImage,
      Cmd: [...command],
      OpenStdin: true,
      StdinOnce: true,
      HostConfig: { LogConfig: { Type: 'json-file', Config: { ...logBounds } }, NetworkMode: 'none' },
    })
    made.push(id)
    return id
  }

  interface Told {
    text: string
    states: ContainerState[]
  }

  function script(
    id: string,
    lines: string,
    run: Partial<ScriptRun> = {},
    options: Partial<ContainerScriptOptions> = {},
  ): { readonly told: Told; readonly nonce: string; readonly start: () => ReturnType<ContainerScript['run']> } {
    const nonce = run.nonce ?? randomBytes(8).toString('hex')
    const told: Told = { text: '', states: [] }
    const end = `printf '\\036${nonce} end\\036'`
    const whole: Omit<ScriptRun, 'signal'> = {
      script: Buffer.from(`{ printf '\\036${nonce} begin\\036'\n${lines}\n${end}\n}\n`),
      stdout: (chunk) => {
        told.text += chunk.toString()
      },
      stderr: (chunk) => {
        told.text += `!${chunk.toString()}`
      },
      isComplete: () => told.text.includes(`\x1e${nonce} end\x1e`),
      ...run,
      nonce,
    }
    const made = new ContainerScript(
      {
        link,
        container: id,
        description: 'the container',
        startedBefore: '',
        reconnectGraceMs: 20_000,
        askIntervalMs: 15_000,
        onStarted: (state) => told.states.push(state),
        clock: systemClock,
        logger: silentLogger,
        ...options,
      },
      whole,
      never,
    )
    return { told, nonce, start: () => made.run() }
  }

  const clean = (text: string): string => text.replaceAll(/\x1e[^\x1e]*\x1e/g, '')

  test('has its shell found, and is run to its end', async () => {
    const id = await container()
    await expect(findShell(await link.engine(never), id, never)).resolves.toEqual({ shell: 'sh', path: '/bin/sh' })
    const { told, start } = script(id, 'echo one; cat /proc/1/cmdline | tr "\\0" " "')
    await expect(start()).resolves.toEqual({ exitCode: 0 })
    expect(clean(told.text)).toContain('one\n')
  })

  test('has its shell looked for once an image, unless something is mounted where shells are', async () => {
    const engine = await link.engine(never)
    const shells = new KnownShells()
    const find = (name: string, mounted: readonly string[] | undefined) =>
      shells.find(engine, { container: name, imageId: busyboxImage, mounted }, never)
    const found = { shell: 'sh', path: '/bin/sh' }
    const id = await container()
    for (const mounted of [['/usr'], ['/bin/'], undefined]) await expect(find(id, mounted)).resolves.toEqual(found)
    await expect(find('none', ['/builds'])).resolves.toBeUndefined()
    await expect(find(id, ['/builds', '/usr-data'])).resolves.toEqual(found)
    await expect(find('none', ['/builds'])).resolves.toEqual(found)
    for (const mounted of [['/usr'], ['/bin/'], ['/usr/local/bin/tool'], ['/'], undefined])
      await expect(find('none', mounted)).resolves.toBeUndefined()
  })

  test('that ends without a last word tells its exit status', async () => {
    const { told, start } = script(await container(), 'echo first; echo second >&2; exit 7')
    await expect(start()).resolves.toEqual({ exitCode: 7 })
    expect(clean(told.text)).toContain('first\n')
    expect(clean(told.text)).toContain('!second\n')
  })

  test('goes on while the way to it is cut again and again, and each byte comes once', async () => {
    const id = await container()
    const { told, start } = script(id, 'i=0; while [ $i -lt 400 ]; do echo line $i; i=$((i+1)); usleep 4000; done')
    const running = start()
    for (let cut = 0; cut < 8; cut++) {
      await new Promise((resolve) => setTimeout(resolve, 150))
      local.cut()
    }
    await expect(running).resolves.toEqual({ exitCode: 0 })
    expect(clean(told.text)).toBe(Array.from({ length: 400 }, (_, index) => `line ${index}\n`).join(''))
  })

  test('is gone on with by another manager from its first byte', async () => {
    const id = await container()
    const first = script(id, 'echo one; sleep 1; echo two; exit 3')
    void first.start()
    while (!first.told.text.includes('one')) await new Promise((resolve) => setTimeout(resolve, 20))
    let uptime = ''
    const onFound = (found: string): void => {
      uptime = found
    }
    const resumed = { onFound }
    const second = script(id, '', { nonce: first.nonce, resumed })
    await expect(second.start()).resolves.toEqual({ exitCode: 3 })
    expect(clean(second.told.text)).toBe('one\ntwo\n')
    expect(uptime).toMatch(/^\d+\.\d+$/)
  })

  test('of which only a part came is begun anew, and one that was never started is started', async () => {
    const id = await container()
    const engine = await link.engine(never)
    const stdin = await engine.docker.getContainer(id).attach({ stream: true, stdin: true, hijack: true })
    await engine.docker.getContainer(id).start()
    stdin.end('{ echo wrong\n')
    await engine.docker.getContainer(id).wait()
    const again = script(id, 'echo right', { resumed: {} })
    await expect(again.start()).resolves.toEqual({ exitCode: 0 })
    expect(clean(again.told.text)).toContain('right\n')
    expect(again.told.text).not.toContain('wrong')
    const fresh = script(await container(), 'echo fresh', { resumed: {} })
    await fresh.start()
    expect(clean(fresh.told.text)).toBe('fresh\n')
    const late = script(await container(), 'echo late', { resumed: { mayStart: () => false } })
    await expect(late.start()).rejects.toMatchObject({ code: 'failed' })
  })

  test('that goes on is started again where its container ended without it, and a new one is not', async () => {
    // As if the start that a killed manager asked for happened instead of ours.
    const endsFirst = ['sh', '-c', 'if [ -e /tmp/again ]; then exec sh; fi; : >/tmp/again']
    const { told, start } = script(await container(endsFirst), 'echo right', { resumed: {} })
    await expect(start()).resolves.toEqual({ exitCode: 0 })
    expect(clean(told.text)).toBe('right\n')
    const ends = isPodman ? ['sh', '-c', ':'] : endsFirst
    await expect(script(await container(ends), 'echo never').start()).rejects.toMatchObject({
      message: expect.stringContaining('entrypoint does not run the shell'),
    })
  })

  test('is started again where a start that was lost with its connection happens late, and instead', async () => {
    const id = await container(['sh', '-c', 'if [ -e /tmp/again ]; then exec sh; fi; : >/tmp/again; sleep 1'])
    await using front = await EngineFront.start()
    let hasBegun = false
    front.fault = ({ method, url = '' }, response) => {
      if (method === 'POST' && url.endsWith('/start') && !hasBegun) {
        hasBegun = true
        docker('start', id)
        response.destroy()
        return true
      }
      if (!hasBegun || !url.endsWith('/json')) return false
      front.fault = () => false
      response.end(JSON.stringify({ Id: id, State: { Status: 'created', Running: false, StartedAt: '', ExitCode: 0 } }))
      return true
    }
    const way = local.link(local.acquisition(), new EngineConnection(front.open))
    const { told, start } = script(id, 'echo right', {}, { link: way })
    await expect(start()).resolves.toEqual({ exitCode: 0 })
    expect(clean(told.text)).toBe('right\n')
  })

  test('runs after another one in the same container, whose output is not its own', async () => {
    const id = await container()
    const first = script(id, 'echo one; echo kept >/tmp/file')
    await first.start()
    const startedBefore = first.told.states[0]!.startedAt
    const second = script(id, 'cat /tmp/file', {}, { startedBefore })
    await second.start()
    expect(clean(second.told.text)).toBe('kept\n')
    const followed = script(id, '', { nonce: second.nonce, resumed: {} }, { startedBefore })
    await followed.start()
    expect(clean(followed.told.text)).toBe('kept\n')
  })

  describe('of whose log the Engine has dropped the beginning', () => {
    const bounds = { 'max-size': '100k', 'max-file': '2' }
    const fill = 'echo first; i=0; while [ $i -lt 6000 ]; do echo "line $i of a long log"; i=$((i+1)); done'

    test.skipIf(isPodman)('is told of by name, and its end is known by another manager', async () => {
      const id = await container(['sh'], bounds)
      const first = script(id, `${fill}; echo last; exit 3`)
      await first.start()
      const second = script(id, '', { nonce: first.nonce, resumed: {} })
      await expect(second.start()).resolves.toEqual({ exitCode: 3 })
      const text = clean(second.told.text)
      expect(text).toContain('Output was lost')
      expect(text).not.toContain('first\n')
      expect(text).toContain('last\n')
      expect(second.told.states).toHaveLength(1)
    })

    test.runIf(isPodman)('fails by that, where nobody knows how much was dropped', async () => {
      const id = await container(['sh'], bounds)
      const first = script(id, `${fill}; exit 3`)
      await first.start()
      const second = script(id, 'echo again', { nonce: first.nonce, resumed: {} })
      await expect(second.start()).rejects.toMatchObject({
        message: expect.stringContaining('whether the script has run'),
      })
    })

    test.skipIf(isPodman)('is told of by name where it goes on, and ends by its last word', async () => {
      const id = await container(['sh'], bounds)
      const first = script(id, `${fill}; while [ ! -e /tmp/go ]; do usleep 50000; done; echo last`)
      void first.start().catch(() => {})
      while (!first.told.text.includes('line 5999 ')) await new Promise((resolve) => setTimeout(resolve, 20))
      const second = script(id, '', { nonce: first.nonce, resumed: {} })
      const running = second.start()
      while (!second.told.text.includes('line 5999 ')) await new Promise((resolve) => setTimeout(resolve, 20))
      const engine = await link.engine(never)
      const exec = await engine.docker.getContainer(id).exec({ Cmd: ['touch', '/tmp/go'] })
      await exec.start({})
      await expect(running).resolves.toEqual({ exitCode: 0 })
      expect(clean(second.told.text)).toContain('Output was lost')
      expect(clean(second.told.text)).toContain('last\n')
    })

    test('is told of by name when the way to it was cut', async () => {
      const id = await container(['sh'], bounds)
      const { told, start } = script(
        id,
        `echo begun; while [ ! -e /tmp/go ]; do usleep 50000; done; ${fill}; echo last`,
      )
      const running = start()
      while (!told.text.includes('begun')) await new Promise((resolve) => setTimeout(resolve, 20))
      execFileSync('docker', ['exec', id, 'touch', '/tmp/go'])
      local.cut()
      execFileSync('docker', ['wait', id])
      await expect(running).resolves.toEqual({ exitCode: 0 })
      expect(clean(told.text)).toContain('Output was lost')
      expect(told.text.match(/begun\n/g)).toHaveLength(1)
      expect(clean(told.text)).toContain('last\n')
    })

    test('is not begun anew, nor its output told as that of an earlier one', async () => {
      const id = await container(['sh'], bounds)
      const first = script(id, 'echo one; echo two')
      await first.start()
      const startedBefore = first.told.states[0]!.startedAt
      await script(id, fill, {}, { startedBefore }).start()
      const again = script(id, '', { nonce: first.nonce, resumed: { untilBytes: 60 } })
      await expect(again.start()).resolves.toEqual({ exitCode: 0 })
      expect(clean(again.told.text)).toContain('Output was lost')
      expect(again.told.text).not.toContain('line 5999 ')
    })
  })
})
