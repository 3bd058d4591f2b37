import type { Payload } from './payload.ts'
import { before, setting } from './script-payloads.ts'

const success = { state: 'success' } as const
const inEmptyDirectory = setting('GIT_STRATEGY', 'empty')
const bytes = Buffer.from(Array.from({ length: 256 }, (_, index) => index))
const allBytes = `awk 'BEGIN { for (i = 0; i < 256; i++) printf "\\\\%03o", i }' | xargs -0 printf`
const numbers = Array.from({ length: 50_000 }, (_, index) => `${index + 1}\n`).join('')
const cache = (given: object): object => ({
  key: 'deps',
  untracked: false,
  policy: '',
  paths: ['deps/'],
  when: '',
  fallback_keys: null,
  ...given,
})
/** Sections of a job whose script ran. */
const around = (
  first: readonly string[],
  last: readonly string[],
  after: readonly string[] = [],
): readonly string[] => [...before, ...first, 'step_script', ...after, ...last]

/** What a job gets of earlier ones, and leaves to later ones. */
export const filePayloads: readonly Payload[] = [
  {
    name: 'an archive',
    job: {
      script: [
        'umask 022; mkdir -p "out/two words" out/empty out/deep/er; seq 50000 >out/numbers; printf "#!/bin/sh\\necho from the tool\\n" >"out/two words/tööl"; chmod 750 "out/two words/tööl"',
        `${allBytes} >out/bytes; : >out/nothing; ln -s "two words/tööl" out/link; touch out/a.tmp out/deep/b.tmp out/deep/er/c.log d.log e.txt`,
        '{ echo "WHAT=lög 2"; echo "WHERE=out"; } >>"$GITLAB_ENV"',
      ],
      variables: [inEmptyDirectory, setting('WHAT', 'lög 1')],
      // What the script left counts, and bash's forms of parameters do.
      artifacts: [
        {
          name: '$WHAT of ${NOTHING:-$CI_JOB_STAGE}',
          paths: ['$WHERE/', '**/*.log', 'none/*'],
          exclude: ['${WHERE}/**/*.tmp'],
          expireIn: '1 week',
        },
      ],
    },
    expected: {
      ...success,
      sections: around([], ['upload_artifacts_on_success', 'cleanup_file_variables']),
      uploads: [
        {
          filename: 'lög 2 of test.zip',
          type: 'archive',
          format: 'zip',
          expireIn: '1 week',
          entries: {
            'out/': ['drwxr-xr-x', ''],
            'out/bytes': ['-rw-r--r--', bytes],
            'out/deep/': ['drwxr-xr-x', ''],
            'out/deep/er/': ['drwxr-xr-x', ''],
            'out/deep/er/c.log': ['-rw-r--r--', ''],
            'out/empty/': ['drwxr-xr-x', ''],
            'out/link': ['lrwxrwxrwx', 'two words/tööl'],
            'out/nothing': ['-rw-r--r--', ''],
            'out/numbers': ['-rw-r--r--', numbers],
            'out/two words/': ['drwxr-xr-x', ''],
            'out/two words/tööl': ['-rwxr-x---', '#!/bin/sh\necho from the tool\n'],
            'd.log': ['-rw-r--r--', ''],
          },
        },
      ],
    },
  },
  {
    name: 'reports, a raw file, and what git does not know',
    job: {
      script: [
        'umask 022; git init -q . 2>/dev/null; echo ignored >.gitignore; git add .gitignore; echo x >ignored; echo new >new',
        'echo "<testsuite/>" >junit.xml; echo \'{"a":1}\' >metrics',
      ],
      variables: [inEmptyDirectory],
      artifacts: [
        { untracked: true, name: 'untracked', exclude: ['junit.xml', 'metrics'] },
        { paths: ['junit.xml'], type: 'junit', format: 'gzip', name: 'junit.xml', when: 'always', expireIn: '1 hour' },
        { paths: ['metrics'], type: 'metrics', format: 'raw', name: 'metrics' },
      ],
    },
    expected: {
      ...success,
      sections: around([], ['upload_artifacts_on_success']),
      uploads: [
        {
          filename: 'untracked.zip',
          type: 'archive',
          format: 'zip',
          entries: { ignored: ['-rw-r--r--', 'x\n'], new: ['-rw-r--r--', 'new\n'] },
        },
        {
          filename: 'junit.xml.gz',
          type: 'junit',
          format: 'gzip',
          expireIn: '1 hour',
          entries: { 'junit.xml.gz': ['-rw-r--r--', '<testsuite/>\n'] },
        },
        { filename: 'metrics', type: 'metrics', format: 'raw', entries: { metrics: ['-rw-r--r--', '{"a":1}\n'] } },
      ],
    },
  },
  {
    name: 'a failed job leaves what is meant for that',
    job: {
      script: ['umask 022; for i in success failure always; do echo $i >$i; done', 'exit 3'],
      variables: [inEmptyDirectory],
      artifacts: [
        { paths: ['success'], when: 'on_success' },
        { paths: ['failure'], when: 'on_failure', type: 'metrics', format: 'raw' },
        { paths: ['always'], when: 'always', type: 'junit', format: 'gzip', name: 'always' },
      ],
    },
    expected: {
      state: 'failed',
      failureReason: 'script_failure',
      exitCode: 3,
      sections: around([], ['upload_artifacts_on_failure']),
      uploads: [
        { filename: 'artifacts', type: 'metrics', format: 'raw', entries: { artifacts: ['-rw-r--r--', 'failure\n'] } },
        { filename: 'always.gz', type: 'junit', format: 'gzip', entries: { 'always.gz': ['-rw-r--r--', 'always\n'] } },
      ],
    },
  },
  {
    name: 'dependencies',
    needs: [
      'an archive',
      'a failed job leaves what is meant for that',
      'reports, a raw file, and what git does not know',
    ],
    job: {
      script: [
        '"out/link"; cat new; seq 50000 | cmp - out/numbers && echo "the same "numbers; readlink out/link; ls out; stat -c %A "out/two words/tööl"',
      ],
      variables: [inEmptyDirectory],
    },
    expected: {
      ...success,
      sections: around(['download_artifacts'], []),
      lines: [
        /^Downloading artifacts for an archive \(\d+\)\.\.\.$/,
        /^Downloading artifacts for reports, a raw file, and what git does not know \(\d+\)\.\.\.$/,
        'from the tool',
        'new',
        'the same numbers',
        'two words/tööl',
        'bytes',
        'deep',
        'empty',
        'link',
        'nothing',
        'numbers',
        'two words',
        '-rwxr-x---',
      ],
      lacks: ['Downloading artifacts for a failed job'],
    },
  },
  {
    name: 'ARTIFACT_DOWNLOAD_ATTEMPTS, and what is gone',
    needs: ['an archive'],
    gone: true,
    job: {
      script: ['echo "never"-reached'],
      afterScript: ['echo "never"-reached'],
      variables: [inEmptyDirectory, setting('ARTIFACT_DOWNLOAD_ATTEMPTS', '2')],
    },
    expected: {
      // Nobody's fault here: another try, of this job too, would come to the same.
      state: 'failed',
      failureReason: 'script_failure',
      sections: [...before, 'download_artifacts'],
      lacks: ['never-reached'],
    },
  },
  {
    name: 'caches are saved, by a job that fails too',
    job: {
      script: ['mkdir -p deps other; seq 50000 >deps/numbers; echo x >other/file', 'exit 5'],
      variables: [inEmptyDirectory],
      override: {
        cache: [
          cache({ key: 'deps-$CI_JOB_STAGE', when: 'always' }),
          cache({ key: 'failed', paths: ['other/'], when: 'on_failure' }),
          cache({ key: 'succeeded', paths: ['other/'], when: 'on_success' }),
          cache({ key: 'only-pulled', paths: ['other/'], when: 'always', policy: 'pull' }),
        ],
      },
    },
    expected: {
      state: 'failed',
      failureReason: 'script_failure',
      exitCode: 5,
      sections: around(['restore_cache'], ['archive_cache_on_failure']),
      lines: [/^Checking cache for deps-test/, /^Creating cache deps-test/, /^Creating cache failed/],
      lacks: ['Creating cache succeeded', 'Creating cache only-pulled'],
    },
  },
  {
    name: 'caches are restored, by fallback keys too',
    job: {
      script: ['seq 50000 | cmp - deps/numbers && echo "the same "numbers; cat other/file; ls'],
      variables: [inEmptyDirectory, setting('CACHE_FALLBACK_KEY', 'failed')],
      override: {
        cache: [
          cache({ key: 'deps-newer', fallback_keys: ['deps-none', 'deps-test'], policy: 'pull' }),
          cache({ key: 'newer', paths: ['other/'], policy: 'pull' }),
          cache({ key: 'pushed', paths: ['pushed/'], policy: 'push' }),
        ],
      },
    },
    expected: {
      ...success,
      sections: around(['restore_cache'], ['archive_cache']),
      lines: ['the same numbers', 'x', 'deps', 'other'],
      lacks: ['Checking cache for pushed', 'Creating cache deps-newer'],
    },
  },
  {
    name: 'a job never fails for its cache, nor for files that are not there',
    job: {
      script: ['echo "all the "same'],
      variables: [inEmptyDirectory, setting('RESTORE_CACHE_ATTEMPTS', '2')],
      artifacts: [{ paths: ['nowhere/'] }],
      override: { cache: [cache({ key: 'none/../..\\none', paths: ['nowhere/'] })] },
    },
    expected: {
      ...success,
      sections: around(['restore_cache'], ['archive_cache', 'upload_artifacts_on_success']),
      lines: ['all the same', 'Job succeeded'],
    },
  },
]
