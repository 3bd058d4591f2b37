// The docs as a site: `npm run docs` builds it to docs/.vitepress/dist.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { posix } from 'node:path'
import { type DefaultTheme, defineConfig } from 'vitepress'

const docs = `${import.meta.dirname}/..`
const root = `${docs}/..`
const { repository } = JSON.parse(readFileSync(`${root}/packages/runner/package.json`, 'utf8')) as {
  readonly repository: { readonly url: string }
}
/** Where files that are no pages can be read. */
const filesUrl = `${repository.url.replace(/^git\+/, '').replace(/\.git$/, '')}/blob/main`

/** The first heading of a page. */
function titleOf(page: string): string {
  const [, title = page] = /^# (.+)$/m.exec(readFileSync(`${docs}/${page}`, 'utf8')) ?? []
  return title.replaceAll('`', '')
}

function section(text: string, folder: string, collapsed = false): DefaultTheme.SidebarItem {
  const pages = existsSync(`${docs}/${folder}`) ? readdirSync(`${docs}/${folder}`) : []
  return {
    text,
    collapsed,
    items: pages
      .filter((page) => page.endsWith('.md') && page !== 'README.md')
      .map((page) => ({ text: titleOf(`${folder}/${page}`), link: `/${folder}/${page.replace(/\.md$/, '')}` })),
  }
}

export default defineConfig({
  title: 'Runner Core',
  description: 'Autoscaling for CI jobs on cloud instance groups',
  cleanUrls: true,
  rewrites: (page) => page.replace(/(^|\/)README\.md$/, '$1index.md'),
  markdown: {
    config(md) {
      // Links that leave the docs lead to files of the repository.
      const open = md.renderer.rules['link_open']
      md.renderer.rules['link_open'] = (tokens, index, options, env, self) => {
        const token = tokens[index]!
        const href = token.attrGet('href') ?? ''
        if (href.startsWith('.')) {
          const target = posix.join('docs', posix.dirname(env.relativePath as string), href)
          if (!target.startsWith('docs/')) token.attrSet('href', `${filesUrl}/${target}`)
        }
        return open?.(tokens, index, options, env, self) ?? self.renderToken(tokens, index, options)
      }
    },
  },
  themeConfig: {
    search: { provider: 'local' },
    outline: [2, 3],
    sidebar: [
      {
        text: 'Start',
        items: [
          { text: 'Documentation', link: '/' },
          { text: titleOf('tutorial.md'), link: '/tutorial' },
          { text: titleOf('security.md'), link: '/security' },
        ],
      },
      section('Guides', 'guides'),
      section('Explanation', 'explanation'),
      section('Reference', 'reference'),
      section('What the packages export', 'reference/api', true),
      section('Decisions', 'decisions', true),
    ],
  },
})
