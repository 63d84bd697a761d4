import { readdirSync, readFileSync } from 'node:fs'
import { join, posix } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('../..', import.meta.url))

export interface Page {
  /** Below the root: `docs/guide.md`. */
  readonly path: string
  readonly text: string
}

export interface CodeBlock {
  /** A name that is fit for a file: `docs-guide-12`, by the line it begins at. */
  readonly name: string
  readonly language: string
  readonly code: string
  /** Its first line is `// runs` or `# runs`: the host tests run it. */
  readonly runs: boolean
}

export interface Link {
  readonly page: string
  /** The page or file it leads to, below the root. */
  readonly path: string
  /** The heading on that page, as a slug. */
  readonly anchor: string | undefined
}

/** All pages for people: those in the root, and everything in docs/. */
export function pages(): Page[] {
  const names = [
    'README.md',
    'CHANGELOG.md',
    'CONTRIBUTING.md',
    ...readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.md'))
      .map((name) => posix.join('docs', name)),
  ]
  return names.sort().map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }))
}

const fence = /^```(\w*)\n([\s\S]*?)^```$/gm

export function codeBlocks({ path, text }: Page): CodeBlock[] {
  return [...text.matchAll(fence)].map(({ index, 1: language, 2: code }) => {
    const line = text.slice(0, index).split('\n').length
    return {
      name: `${path.replace(/\.md$/, '').replaceAll('/', '-')}-${line}`,
      language: language!,
      code: code!,
      runs: /^(\/\/|#) runs$/m.test(code!.split('\n')[0]!),
    }
  })
}

/** Links to other files and headings of the repository; those to the web are left out. */
export function links({ path, text }: Page): Link[] {
  const prose = text.replace(fence, '').replace(/`[^`\n]*`/g, '')
  return [...prose.matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target]) => target!)
    .filter((target) => !/^[a-z]+:/.test(target))
    .map((target) => {
      const [file, anchor] = target.split('#')
      const to = file === '' ? path : posix.join(posix.dirname(path), file!)
      return { page: path, path: to, anchor }
    })
}

/** The anchors a page's headings get where Markdown is shown. */
export function anchors(text: string): string[] {
  return [...text.replace(fence, '').matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .trim()
      .replace(/\s/g, '-'),
  )
}

export function markdownTable(lines: readonly (readonly string[])[]): string {
  const widths = lines[0]!.map((_, column) =>
    Math.max(...lines.map((line) => line[column]!.length)),
  )
  const [head, ...body] = lines.map(
    (line) => `| ${line.map((text, column) => text.padEnd(widths[column]!)).join(' | ')} |`,
  )
  const rule = `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`
  return [head, rule, ...body].join('\n')
}

/** A page's text, with this table at the place for it, which says what makes it. */
export function withTable(text: string, madeBy: string, table: string): string {
  const begin = `<!-- the table of ${madeBy} -->\n`
  const end = '\n<!-- end of the table -->'
  const from = text.indexOf(begin)
  const to = text.indexOf(end, from)
  if (from < 0 || to < 0) throw new Error(`there is no place for the table of ${madeBy}`)
  return `${text.slice(0, from)}${begin}\n${table}\n${text.slice(to)}`
}
