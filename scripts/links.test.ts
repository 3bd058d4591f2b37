// Every link of a README and of the docs to something in the repository leads to a file that is there, and to a heading
// of it where it names one.
import { existsSync, globSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { expect, test } from 'vitest'

const pages = globSync(['*.md', 'packages/*/README.md', 'examples/*/README.md', 'docs/**/*.md'], {
  exclude: (path) => path === 'docs/reference/api',
}).sort()

/** As GitLab makes an anchor of a heading. */
function anchors(page: string): readonly string[] {
  return [...readFileSync(page, 'utf8').matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(/\s+/g, '-'),
  )
}

function isDead(page: string, link: string): boolean {
  const [path = '', anchor] = link.split('#')
  const target = path === '' ? page : join(dirname(page), path)
  if (!existsSync(target)) return true
  return anchor !== undefined && statSync(target).isFile() && !anchors(target).includes(anchor)
}

test.each(pages)('the links of %s lead somewhere', (page) => {
  const prose = readFileSync(page, 'utf8')
    .replaceAll(/^```[\s\S]*?^```/gm, '')
    .replaceAll(/`[^`\n]*`/g, '')
  const links = [...prose.matchAll(/\]\(([^)\s]+)\)/g)].map(([, link = '']) => link)
  const dead = links.filter((link) => !/^[a-z]+:/.test(link) && isDead(page, link))
  expect(dead.map((link) => `${relative('.', page)}: ${link}`)).toEqual([])
})

test('every page of the docs is in their index', () => {
  const index = readFileSync('docs/README.md', 'utf8')
  const missing = pages
    .filter((page) => page.startsWith('docs/') && !page.startsWith('docs/decisions/') && page !== 'docs/README.md')
    .filter((page) => !index.includes(`(${page.slice('docs/'.length)})`))
  expect(missing).toEqual([])
})
