import { execFileSync } from 'node:child_process'
import { createReadStream, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as zlib from 'node:zlib'
import { payload, run, variable } from '@runner-core/testkit/jobs/job-fixture'
import { LocalEnvironment } from '@runner-core/testkit/jobs/local-environment'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ArchiveFile } from '../src/archive/archive-file.ts'
import { openArchive } from '../src/archive/open-archive.ts'
import { type ArtifactUpload, ArtifactUploadError } from '../src/artifacts/artifact-destination.ts'
import type { JobArtifact } from '../src/job-payload.ts'
import { localShells } from './local-shells.ts'

interface Uploaded {
  readonly filename: string
  readonly type: string
  readonly format: string
  readonly expireIn: string
  readonly bytes: Buffer
}

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'runner-core-artifacts-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function artifact(given: Partial<JobArtifact>): JobArtifact {
  const byDefault = {
    name: '',
    untracked: false,
    paths: [],
    exclude: [],
    when: '',
    artifact_type: 'archive',
    artifact_format: 'zip',
    expire_in: '',
  }
  return { ...byDefault, ...given }
}

/** Keeps what is uploaded; `refuse` answers first. */
function destination(refuse: (tries: number) => Error | undefined = () => undefined) {
  const uploads: Uploaded[] = []
  let tries = 0
  const upload = async (given: ArtifactUpload): Promise<string> => {
    const error = refuse(++tries)
    if (error !== undefined) throw error
    const chunks: Buffer[] = []
    for await (const chunk of given.content(given.signal)) chunks.push(chunk)
    const { filename, type, format, expireIn } = given
    uploads.push({ filename, type, format, expireIn, bytes: Buffer.concat(chunks) })
    return '201 Created'
  }
  return { uploads, artifacts: { upload, download: () => Promise.reject(new Error('none')) } }
}

/** What python and unzip, which others wrote, make of a zip. */
function readZip(bytes: Buffer): Record<string, { readonly mode: string; readonly text: string }> {
  const file = join(folder, 'archive.zip')
  writeFileSync(file, bytes)
  execFileSync('unzip', ['-qt', file])
  const script = `
import json, sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as z:
    assert z.testzip() is None
    print(json.dumps({i.filename: {'mode': oct(i.external_attr >> 16), 'text': z.read(i).decode('utf8', 'replace')} for i in z.infolist()}))`
  return JSON.parse(execFileSync('python3', ['-c', script, file], { encoding: 'utf8' }))
}

const hex = (bytes: string): string => Buffer.from(bytes, 'latin1').toString('hex')

describe.each(localShells)('$name', (localShell) => {
  const make = [
    'umask 022; mkdir -p dist/empty dist/sub; echo one >dist/one; echo two >dist/sub/two.log; chmod 755 dist/one; echo skip >dist/skip.tmp; ln -s one dist/link; ln -s ../../outside dist/out',
    "echo ümlaut >'dist/ümlaut 日本.txt'; ln dist/one dist/same; : >dist/nothing; echo root >root.xml",
  ]

  test('a zip of what patterns mean, in order, with modes, links, empty directories and names', async () => {
    using environment = new LocalEnvironment({ localShell })
    const { uploads, artifacts } = destination()
    const wanted = artifact({
      name: 'build-$NAME/$REF',
      paths: ['dist/', '*.xml', 'none/*.log', '../other', '$CI_PROJECT_DIR/dist/one'],
      exclude: ['**/*.tmp'],
      expire_in: '1 week',
    })
    const { outcome, trace } = await run(
      environment,
      payload({
        script: make,
        variables: [variable('NAME', 'x'), variable('REF', 'main "1"')],
        overrides: { artifacts: [wanted] },
      }),
      { artifacts },
    )
    expect(outcome, trace).toEqual({ state: 'success' })
    const [upload] = uploads
    expect(upload).toMatchObject({ filename: 'main "1".zip', type: 'archive', format: 'zip', expireIn: '1 week' })
    const files = readZip(upload!.bytes)
    expect(files).toEqual({
      'dist/': { mode: '0o40755', text: '' },
      'dist/empty/': { mode: '0o40755', text: '' },
      'dist/link': { mode: '0o120777', text: 'one' },
      'dist/nothing': { mode: '0o100644', text: '' },
      'dist/one': { mode: '0o100755', text: 'one\n' },
      'dist/same': { mode: '0o100755', text: 'one\n' },
      'dist/sub/': { mode: '0o40755', text: '' },
      'dist/sub/two.log': { mode: '0o100644', text: 'two\n' },
      'dist/ümlaut 日本.txt': { mode: '0o100644', text: 'ümlaut\n' },
      'root.xml': { mode: '0o100644', text: 'root\n' },
    })
    expect(trace).toContain('Uploading artifacts for successful job')
    expect(trace).toContain('Uploading artifacts...\n')
    expect(trace).toContain('dist/: found 10 matching artifact files and directories\n')
    expect(trace).toContain(
      'none/*.log: no matching files. Ensure that the artifact path is relative to the working directory',
    )
    expect(trace).toContain('artifact path is not a subpath of project directory: ../other')
    expect(trace).toContain('**/*.tmp: excluded 1 files\n')
    expect(trace).toContain('dist/out: the symbolic link leads out of the project')
    expect(trace).toContain('Uploading artifacts as "archive" to coordinator... 201 Created\n')
    expect(trace.indexOf('201 Created')).toBeLessThan(trace.indexOf('Job succeeded'))
  })

  describe('what steps left in GITLAB_ENV', () => {
    const left =
      'echo VERSION=1.2 >>"$GITLAB_ENV"; echo "OUT=late dir" >>"$GITLAB_ENV"; echo ARTIFACT_COMPRESSION_LEVEL=fastest >>"$GITLAB_ENV"'
    const files = 'mkdir "late dir" early; seq 5000 >"late dir/a"; echo b >"late dir/b.tmp"; echo c >early/c'
    const wanted = artifact({
      name: 'app-$VERSION-${REF:-none}-${REF#v}',
      paths: ['$OUT/'],
      exclude: ['$OUT/*.tmp'],
      when: 'always',
    })
    const variables = [
      variable('VERSION', 'early'),
      variable('OUT', 'early'),
      variable('REF', 'v7'),
      variable('SECRET', 'content', { file: true }),
    ]
    const temporaryFiles = ({ home }: LocalEnvironment): readonly string[] => {
      const directory = join(home, 'builds/tok123/0/group/project.tmp')
      return existsSync(directory) ? readdirSync(directory) : []
    }

    test.each([
      ['by a script', { script: [left, files] }, 'success'],
      ['by a script before after_script', { script: [left, files], afterScript: ['ls "$OUT"'] }, 'success'],
      ['by after_script', { script: [files], afterScript: [left] }, 'success'],
      ['by a script that failed', { script: [left, files, 'exit 3'] }, 'failed'],
      ['by a script whose shell was killed', { script: [left, files, 'kill -9 $$'] }, 'failed'],
    ])('%s, names artifacts, their paths and how they are packed; then it is gone', async (_, scripts, state) => {
      using environment = new LocalEnvironment({ localShell })
      const { uploads, artifacts } = destination()
      const { outcome, trace } = await run(
        environment,
        payload({ ...scripts, variables, overrides: { artifacts: [wanted] } }),
        {
          artifacts,
        },
      )
      expect(outcome.state, trace).toBe(state)
      expect(uploads.map(({ filename }) => filename)).toEqual(['app-1.2-v7-7.zip'])
      expect(Object.keys(readZip(uploads[0]!.bytes))).toEqual(['late dir/', 'late dir/a'])
      expect(uploads[0]!.bytes.length).toBeGreaterThan(20_000)
      expect(trace).toContain('late dir/: found 2 matching artifact files and directories\n')
      expect(temporaryFiles(environment)).toEqual([])
    })

    test('nothing costs nothing, and what is no text of a shell is taken as it is', async () => {
      using environment = new LocalEnvironment({ localShell })
      const { uploads, artifacts } = destination()
      const odd = artifact({ name: '$(id)', paths: ['a', '${X', '`id`'] })
      const { outcome, trace } = await run(
        environment,
        payload({ script: ['echo a >a'], overrides: { artifacts: [odd] } }),
        { artifacts },
      )
      expect(outcome, trace).toEqual({ state: 'success' })
      expect(uploads.map(({ filename }) => filename)).toEqual(['$(id).zip'])
      expect(trace).toContain(
        'WARNING: invalid artifact name "$(id)": command substitution and arithmetic are not supported',
      )
      expect(trace).toContain('WARNING: invalid path "${X": "${" without "}"')
      expect([environment.runs, environment.transfers, temporaryFiles(environment)]).toEqual([1, 2, []])
    })

    test.each([
      ['a directory', 'mkdir "$GITLAB_ENV"; touch "$GITLAB_ENV/a"'],
      ['a pipe', 'mkfifo "$GITLAB_ENV"'],
      ['a link to itself', 'ln -s "$GITLAB_ENV" "$GITLAB_ENV"'],
      ['a link to what has no end', 'ln -s /dev/zero "$GITLAB_ENV"'],
      ['no text', 'printf "\\377\\0=x\\n\\0VERSION\\377=x\\n=x\\n" >"$GITLAB_ENV"'],
    ])('%s says nothing, and holds nobody up', async (_, make) => {
      for (const more of ['', '; kill -9 $$']) {
        using environment = new LocalEnvironment({ localShell })
        const { uploads, artifacts } = destination()
        const kept = artifact({ name: '$VERSION', paths: ['a'], when: 'always' })
        const { trace } = await run(
          environment,
          payload({ script: [`echo a >a; ${make}${more}`], variables, overrides: { artifacts: [kept] } }),
          {
            artifacts,
          },
        )
        expect(
          uploads.map(({ filename }) => filename),
          trace,
        ).toEqual(['early.zip'])
        expect(temporaryFiles(environment)).toEqual([])
      }
    })

    test('more than a mebibyte is not read', async () => {
      using environment = new LocalEnvironment({ localShell })
      const { uploads, artifacts } = destination()
      const script = ['echo a >a; { echo VERSION=late; head -c 2000000 /dev/zero | tr "\\0" x; } >"$GITLAB_ENV"']
      const { outcome, trace } = await run(
        environment,
        payload({ script, variables, overrides: { artifacts: [artifact({ name: '$VERSION', paths: ['a'] })] } }),
        { artifacts },
      )
      expect(outcome, trace).toEqual({ state: 'success' })
      expect(uploads.map(({ filename }) => filename)).toEqual(['early.zip'])
      expect(trace).toContain('WARNING: GITLAB_ENV holds more than 1048576 bytes')
      expect(temporaryFiles(environment)).toEqual([])
    })
  })

  test('the same files are the same archive; a large file in blocks, also one that nothing makes smaller', async () => {
    using environment = new LocalEnvironment({ localShell })
    const { uploads, artifacts } = destination()
    const level = (value: string) => variable('ARTIFACT_COMPRESSION_LEVEL', value)
    const script = [
      '[ -e big ] || { head -c 3000000 /dev/urandom >big; i=0; while [ $i -lt 40000 ]; do i=$((i+1)); echo "line $i of this file"; done >text; cat big text >both; }',
    ]
    for (const variables of [[], [], [level('fastest')], [level('slowest')]]) {
      const { outcome, trace } = await run(
        environment,
        payload({ script, variables, overrides: { artifacts: [artifact({ paths: ['big', 'text', 'both'] })] } }),
        {
          artifacts,
        },
      )
      expect(outcome, trace).toEqual({ state: 'success' })
    }
    const [first, second, fastest, slowest] = uploads.map(({ bytes }) => bytes)
    expect(first!.equals(second!)).toBe(true)
    expect(fastest!.length).toBeGreaterThan(first!.length)
    expect(slowest!.length).toBeLessThanOrEqual(first!.length)
    const project = join(environment.home, 'builds', 'tok123', '0', 'group', 'project')
    for (const bytes of [first!, fastest!, slowest!]) {
      const file = join(folder, 'big.zip')
      writeFileSync(file, bytes)
      execFileSync('unzip', ['-qt', file])
      for (const name of ['big', 'text', 'both'])
        expect(
          execFileSync('unzip', ['-p', file, name], { maxBuffer: 1e9 }).equals(readFileSync(join(project, name))),
        ).toBe(true)
    }
  })

  test('reports: gzip members, and one raw file; each by its when', async () => {
    using environment = new LocalEnvironment({ localShell })
    const { uploads, artifacts } = destination()
    const report = (given: Partial<JobArtifact>) =>
      artifact({ artifact_format: 'gzip', artifact_type: 'junit', ...given })
    const wanted = [
      report({ name: 'junit.xml', paths: ['r/*.xml', 'r'], when: 'always' }),
      report({
        paths: ['r/a.xml'],
        artifact_type: 'metrics',
        artifact_format: 'raw',
        name: 'metrics.txt',
        when: 'on_failure',
      }),
      report({ paths: ['r/a.xml'], artifact_type: 'dotenv', when: 'on_success' }),
    ]
    const script = ['mkdir r; printf A >r/a.xml; printf B >r/b.xml; exit 3']
    const { outcome, trace } = await run(environment, payload({ script, overrides: { artifacts: wanted } }), {
      artifacts,
    })
    expect(outcome, trace).toMatchObject({ state: 'failed', exitCode: 3 })
    expect(trace).toContain('Uploading artifacts for failed job')
    expect(uploads.map(({ filename, type }) => [filename, type])).toEqual([
      ['junit.xml.gz', 'junit'],
      ['metrics.txt', 'metrics'],
    ])
    expect(zlib.gunzipSync(uploads[0]!.bytes).toString()).toBe('AB')
    expect(uploads[1]!.bytes.toString()).toBe('A')
  })

  test('names that are no UTF-8 go byte by byte, in a zip, a gzip and a tar', async () => {
    using environment = new LocalEnvironment({ localShell })
    const { uploads, artifacts } = destination()
    const script = [
      'umask 022; mkdir d; cd d; d=$(printf "\\377\\376 dir"); mkdir "$d"; printf 1 >"$d/$(printf "b\\344h")"; printf 2 >"$(printf "\\303\\244")"; ln -s "$(printf "\\344")" "$(printf "l\\344")"',
    ]
    const formats = ['zip', 'gzip', 'tarzstd']
    const wanted = formats.map((format) => artifact({ artifact_format: format, paths: ['d/**'], exclude: ['d'] }))
    const { outcome, trace } = await run(environment, payload({ script, overrides: { artifacts: wanted } }), {
      artifacts,
    })
    expect(outcome, trace).toEqual({ state: 'success' })
    expect(trace).toContain('d/**: found 4 matching artifact files and directories\n')
    const [zip, gzip, tar] = uploads.map(({ bytes }) => bytes)
    const file = join(folder, 'bytes.zip')
    writeFileSync(file, zip!)
    const list = `
import json, sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as z:
    print(json.dumps([[i.filename.encode('utf8' if i.flag_bits & 0x800 else 'cp437').hex(), bool(i.flag_bits & 0x800), z.read(i).hex()] for i in z.infolist()]))`
    expect(JSON.parse(execFileSync('python3', ['-c', list, file], { encoding: 'utf8' }))).toEqual([
      [hex('d/l\xe4'), false, hex('\xe4')],
      [hex('d/\xc3\xa4'), true, hex('2')],
      [hex('d/\xff\xfe dir/'), false, ''],
      [hex('d/\xff\xfe dir/b\xe4h'), false, hex('1')],
    ])
    expect(zlib.gunzipSync(gzip!).toString()).toBe('21')
    for (const name of ['\xc3\xa4', 'b\xe4h']) expect(gzip!.includes(Buffer.from(`${name}\0`, 'latin1'))).toBe(true)
    if (tar === undefined) return
    writeFileSync(join(folder, 'bytes.tar'), zlib.zstdDecompressSync(tar))
    const inTar = execFileSync('tar', ['--quoting-style=literal', '-tf', join(folder, 'bytes.tar')], {
      encoding: 'latin1',
    })
    expect(inTar.trim().split('\n')).toEqual(['d/l\xe4', 'd/\xc3\xa4', 'd/\xff\xfe dir/', 'd/\xff\xfe dir/b\xe4h'])
  })

  test('what git does not know: ignored files too, nothing that it knows, and nothing of a repository within; without git a warning', async () => {
    using environment = new LocalEnvironment({ localShell })
    const { uploads, artifacts } = destination()
    const setUp = [
      'umask 022; git init -q .; mkdir -p src out; echo known >src/known; echo "*.o" >.gitignore; git add .; git -c user.name=x -c user.email=x@y commit -qm one',
      'echo 1 >src/a.o; echo 2 >out/new; echo 3 >out/skip.tmp; echo 4 >"tw o"; git init -q inner; echo 5 >inner/file; echo changed >src/known',
    ]
    const script = localShell.busyboxOnly === true ? ['echo 1 >paths'] : [...setUp, 'echo 6 >paths']
    const wanted = artifact({ untracked: true, paths: ['paths'], exclude: ['**/*.tmp'] })
    const { outcome, trace } = await run(environment, payload({ script, overrides: { artifacts: [wanted] } }), {
      artifacts,
    })
    expect(outcome, trace).toEqual({ state: 'success' })
    const names = Object.keys(readZip(uploads[0]!.bytes))
    if (localShell.busyboxOnly === true) {
      expect(names).toEqual(['paths'])
      expect(trace).toMatch(/WARNING: untracked: git failed on the instance/)
      return
    }
    expect(names).toEqual(['inner/', 'out/new', 'paths', 'src/a.o', 'tw o'])
    expect(trace).toContain('untracked: found 5 files\n')
    expect(trace).toContain('**/*.tmp: excluded 1 files\n')
  })

  test.each([
    ['zipzstd', 'lib.zip'],
    ['tarzstd', 'lib.tar.zst'],
  ])('%s: large files and small ones, and what nothing makes smaller', async (format, filename) => {
    using environment = new LocalEnvironment({ localShell })
    const { uploads, artifacts } = destination()
    const script = [
      'umask 022; mkdir -p d/empty; head -c 2000000 /dev/urandom >d/noise; seq 300000 >d/text; seq 100 >d/small; : >d/none; ln -s small d/link',
    ]
    const wanted = artifact({ name: 'lib', paths: ['d'], artifact_format: format })
    for (let tries = 0; tries < 2; tries++) {
      const { outcome, trace } = await run(
        environment,
        payload({ script: tries === 0 ? script : ['true'], overrides: { artifacts: [wanted] } }),
        { artifacts },
      )
      expect(outcome, trace).toEqual({ state: 'success' })
    }
    const [first, second] = uploads
    expect(first).toMatchObject({ filename, format })
    expect(first!.bytes.equals(second!.bytes)).toBe(true)
    expect(first!.bytes.length).toBeLessThan(3_000_000)
    const project = join(environment.home, 'builds/tok123/0/group/project')
    const packed = join(folder, filename)
    writeFileSync(packed, first!.bytes)
    const file = await ArchiveFile.receive(createReadStream(packed), { limitBytes: 1e9 })
    try {
      const opened = await openArchive(file, { filename })
      expect(opened.entries.map(({ type, path }) => [type, path])).toEqual([
        ['directory', 'd'],
        ['directory', 'd/empty'],
        ['symlink', 'd/link'],
        ...['noise', 'none', 'small', 'text'].map((name) => ['file', `d/${name}`]),
      ])
      for await (const { entry, bytes } of opened.files()) {
        const chunks: Buffer[] = []
        for await (const chunk of bytes) chunks.push(chunk)
        expect(Buffer.concat(chunks).equals(readFileSync(join(project, entry.path))), entry.path).toBe(true)
      }
    } finally {
      await file.close()
    }
  })

  test('no files is said, and no failure; several as raw, and what is refused, fail a job that was green', async () => {
    using environment = new LocalEnvironment({ localShell })
    const nothing = await run(
      environment,
      payload({ overrides: { artifacts: [artifact({ paths: ['none'] })] } }),
      destination(),
    )
    expect(nothing.outcome).toEqual({ state: 'success' })
    expect(nothing.trace).toContain('ERROR: No files to upload\n')

    const raw = artifact({ paths: ['*'], artifact_format: 'raw' })
    const several = await run(
      environment,
      payload({ script: ['echo >a; echo >b'], overrides: { artifacts: [raw] } }),
      destination(),
    )
    expect(several.outcome).toMatchObject({
      state: 'failed',
      code: 'artifacts_failed',
      reason: 'script_failure',
      message: 'only one file can be uploaded as raw',
    })

    const all = { artifacts: [artifact({ paths: ['*'], when: 'always' })] }
    const large = destination(() => new ArtifactUploadError('too_large', 'too large archive'))
    const refused = await run(environment, payload({ overrides: all }), large)
    expect(refused.outcome).toMatchObject({
      state: 'failed',
      code: 'artifacts_failed',
      reason: 'script_failure',
      message: expect.stringContaining('too large'),
    })
    const red = await run(environment, payload({ script: ['exit 4'], overrides: all }), large)
    expect(red.outcome).toMatchObject({ state: 'failed', code: 'script_failed', exitCode: 4 })
    expect(red.trace).toContain('ERROR: artifacts could not be uploaded: too large archive')
  })
})
