import { expect, test } from 'vitest'
import { splitCredentials } from './repository-url.ts'

test.each([
  [
    'https://gitlab-ci-token:se%2Fcret@gitlab.invalid:8443/a/b.git',
    'https://gitlab.invalid:8443/a/b.git',
    'https://gitlab.invalid:8443',
    'gitlab-ci-token',
    'se/cret',
  ],
  ['http://host/a.git', 'http://host/a.git', 'http://host', '', ''],
  ['https://user:100%@host/a.git', 'https://host/a.git', 'https://host', 'user', '100%'],
  ['file:///srv/a.git', 'file:///srv/a.git', '', '', ''],
  ['ssh://git@host/a.git', 'ssh://git@host/a.git', '', '', ''],
  ['git@host:a.git', 'git@host:a.git', '', '', ''],
  ['', '', '', '', ''],
])('%s', (address, url, origin, username, password) => {
  expect(splitCredentials(address)).toEqual({ url, origin, username, password })
})
