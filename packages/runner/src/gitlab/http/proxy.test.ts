import { expect, it } from 'vitest'
import { proxyFor } from './proxy.ts'

const environment = { HTTP_PROXY: 'http://plain:1', HTTPS_PROXY: 'http://secure:2' }
const through = (target: string, variables: Record<string, string> = environment): string | undefined =>
  proxyFor(new URL(target), variables)?.host

it('goes by the scheme of the target', () => {
  expect(through('http://example.com')).toBe('plain:1')
  expect(through('https://example.com')).toBe('secure:2')
  expect(through('http://example.com', { http_proxy: 'small:3' })).toBe('small:3')
  expect(through('http://example.com', { https_proxy: 'small:3' })).toBeUndefined()
  expect(through('http://example.com', {})).toBeUndefined()
})

it.each(['http://localhost:8080', 'http://127.0.0.1', 'http://127.9.9.9:1', 'http://[::1]:1'])(
  'never for %s',
  (target) => {
    expect(through(target)).toBeUndefined()
  },
)

it.each([
  ['*', 'http://example.com', false],
  ['example.com', 'http://example.com', false],
  ['example.com', 'http://EXAMPLE.com:8080', false],
  ['example.com', 'http://sub.example.com', false],
  ['example.com', 'http://notexample.com', true],
  ['.example.com', 'http://sub.example.com', false],
  ['.example.com', 'http://example.com', true],
  ['*.example.com', 'http://sub.example.com', false],
  ['example.com:8080', 'http://example.com:8080', false],
  ['example.com:8080', 'http://example.com', true],
  ['example.com:80', 'http://example.com', false],
  ['example.com:443', 'https://example.com', false],
  ['10.0.0.0/8', 'http://10.1.2.3', false],
  ['10.0.0.0/8', 'http://11.1.2.3', true],
  ['10.1.2.3', 'http://10.1.2.3:99', false],
  ['10.1.2.3:99', 'http://10.1.2.3:98', true],
  ['2001:db8::/32', 'http://[2001:db8::5]', false],
  ['2001:db8::5', 'http://[2001:db8::5]:80', false],
  ['10.0.0.0/99', 'http://10.1.2.3', true],
  [' other.org , example.com ,', 'http://example.com', false],
  ['', 'http://example.com', true],
])('NO_PROXY=%s, %s: proxy %s', (noProxy, target, isProxied) => {
  expect(through(target, { ...environment, NO_PROXY: noProxy }) !== undefined).toBe(isProxied)
})
