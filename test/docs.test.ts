import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Command } from 'commander'
import { describe, expect, it } from 'vitest'
import { errorCodes } from '../src/base/errors.ts'
import { program } from '../src/cli/program.ts'
import { bridgeOptions } from './support/bridge-options.ts'
import { compileExamples } from './support/compile-examples.ts'
import { anchors, codeBlocks, links, pages, root } from './support/documentation.ts'
import { housePage, pageWithHouse } from './support/house-tables.ts'
import {
  descriptionsFile,
  descriptionsModule,
  optionsPage,
  optionsPageText,
} from './support/option-descriptions.ts'
import { pageWithTable, reachabilityPage } from './support/reachability-table.ts'

const all = pages()
const cnm = await program()
const page = (path: string) => all.find((one) => one.path === path)?.text ?? ''

describe('the threats', () => {
  it('are tried by tests that there are', () => {
    const rows = page('docs/design/threats.md').match(/^\|.*\|$/gm) ?? []
    const named = rows.flatMap(
      (row) =>
        row
          .split('|')
          .at(-2)
          ?.match(/`[^`]+`/g) ?? [],
    )
    const paths = [...new Set(named)].map((name) => {
      const path = name.slice(1, -1)
      return path.includes('/') ? path : `test/host/${path}.test.ts`
    })
    expect(paths.length).toBeGreaterThan(10)
    expect(paths.filter((path) => !existsSync(join(root, path)))).toEqual([])
  })
})

describe('the error codes', () => {
  /** Rows of a table below a heading that names the kind: `| `CODE` | when | what to do |`. */
  const documented: Record<string, string> = {}
  let kind = ''
  for (const line of page('docs/reference/errors.md').split('\n')) {
    kind = /^## `([a-z-]+)`/.exec(line)?.[1] ?? kind
    const code = /^\| `([A-Z_]+)` *\| [^|]+ \| [^|]+ \|$/.exec(line)?.[1]
    if (code !== undefined) documented[code] = kind
  }

  it('are documented, each under its kind, and none that there is not', () => {
    expect(documented).toEqual(errorCodes)
  })
})

describe('the commands', () => {
  const sections = new Map(
    page('docs/reference/cli.md')
      .split(/^##+ /m)
      .map((section) => [
        /^`(cnm( [a-z-]+)+)/.exec(section)?.[1] ?? section.split('\n')[0],
        section,
      ]),
  )
  const optionsIn = (section = '') => new Set(section.match(/--[a-z][a-z0-9-]*/g) ?? [])
  const common = optionsIn(sections.get('What commands have in common'))
  const commands = leaves(cnm, [])

  it('are documented, and none that there is not', () => {
    const groups = [...commands.keys()].map((path) => path.split(' ').slice(0, -1).join(' '))
    const documented = [...sections.keys()].filter((name) => /^cnm /.test(name ?? ''))
    const expected = new Set([...commands.keys(), ...groups.filter((group) => group !== 'cnm')])
    expect(documented.sort()).toEqual([...expected].sort())
  })

  it.each([...commands])('%s: with all its options, and none that it has not', (path, command) => {
    const options = command.options.filter(({ hidden }) => !hidden).map(({ long }) => long ?? '')
    const documented = [...optionsIn(sections.get(path))]
    const own = options.filter((option) => !common.has(option))
    expect(documented.filter((option) => !common.has(option)).sort()).toEqual(own.sort())
  })

  it.each([...commands])('%s: has help with examples, and says what it takes', (_, command) => {
    let help = ''
    command.configureOutput({ writeOut: (text) => (help += text) }).outputHelp()
    expect(help).toMatch(/^Examples:\n {2}\S/m)
    expect(command.description()).not.toBe('')
    for (const option of command.options) expect(option.description).not.toBe('')
  })
})

/** The commands that do something, by their whole names. */
function leaves(command: Command, path: readonly string[]): ReadonlyMap<string, Command> {
  const whole = [...path, command.name()]
  const below = command
    .createHelp()
    .visibleCommands(command)
    .filter((each) => each.name() !== 'help')
  if (below.length === 0) return new Map([[whole.join(' '), command]])
  return new Map(below.flatMap((each) => [...leaves(each, whole)]))
}

describe("the bridge's options", () => {
  const section = page('docs/guide.md').split('\nThose of `bridge`')[1]!
  const table = section.slice(0, section.indexOf('\n\n- '))
  const rows = (table.match(/^\| `.*\|$/gm) ?? []).map((row) =>
    row
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  )
  const plain = (cell: string) => cell.replaceAll('`', '')

  it('are documented with their labels and what they take, and none that there is not', async () => {
    const documented = rows.map(([name, label, takes]) =>
      [name, label, takes].map((it) => plain(it!)),
    )
    const there = (await bridgeOptions()).map(({ name, label, takes }) => [name, label, takes])
    expect(documented.sort()).toEqual(there.sort())
  })

  it('are documented with their defaults, where these are the same everywhere', async () => {
    const literal = /^`([^`]*)`$/
    const documented = rows.flatMap(([name, , , , value]) => {
      const fixed = literal.exec(value!)?.[1]
      return fixed === undefined ? [] : [[plain(name!), fixed]]
    })
    const there = (await bridgeOptions()).flatMap(({ name, default: value }) =>
      value === undefined ? [] : [[name, value]],
    )
    expect(documented.sort()).toEqual(there.sort())
  })
})

describe('the table of who reaches what', () => {
  it('is the one that is tried with packets (`vitest run -u` renews it)', async () => {
    await expect(pageWithTable()).toMatchFileSnapshot(reachabilityPage)
  })
})

describe('what options mean', () => {
  it('is said by their comments, and likewise wherever else (`vitest run -u` renews it)', async () => {
    await expect(descriptionsModule()).toMatchFileSnapshot(descriptionsFile)
    await expect(optionsPageText()).toMatchFileSnapshot(optionsPage)
  })
})

describe('the tables of the house', () => {
  it('are those of the sources (`vitest run -u` renews them)', async () => {
    await expect(pageWithHouse()).toMatchFileSnapshot(housePage)
  })
})

describe('the pages', () => {
  const everyLink = all.flatMap(links)

  it('have no link that leads nowhere', () => {
    const broken = everyLink.filter(({ path, anchor }) => {
      if (!existsSync(join(root, path))) return true
      return anchor !== undefined && !anchors(page(path)).includes(anchor)
    })
    expect(broken).toEqual([])
  })

  it('can all be reached from the index', () => {
    const reached = new Set(['README.md', 'docs/README.md'])
    for (const from of reached) {
      for (const link of everyLink) {
        if (link.page === from && link.path.endsWith('.md')) reached.add(link.path)
      }
    }
    expect(all.map(({ path }) => path).filter((path) => !reached.has(path))).toEqual([])
  })
})

describe('the examples', () => {
  const examples = all.flatMap(codeBlocks).filter(({ language }) => language === 'ts')

  it('compile', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'cnm-docs-'))
    try {
      expect(examples.length).toBeGreaterThan(0)
      await compileExamples(folder, examples, 'source')
    } finally {
      rmSync(folder, { recursive: true })
    }
  }, 60_000)
})

describe('the reader of pages', () => {
  const sample = {
    path: 'docs/design/a.md',
    text: [
      '# First things, `first`!',
      'A [link](../guide.md#start), `[no link](x)`, [the web](https://example.org), [here](#b).',
      '```ts',
      '// runs',
      '[neither](y)',
      '```',
    ].join('\n'),
  }

  it('finds links, headings and blocks', () => {
    expect(links(sample)).toEqual([
      { page: sample.path, path: 'docs/guide.md', anchor: 'start' },
      { page: sample.path, path: sample.path, anchor: 'b' },
    ])
    expect(anchors(sample.text)).toEqual(['first-things-first'])
    expect(codeBlocks(sample)).toEqual([
      {
        name: 'docs-design-a-3',
        language: 'ts',
        code: '// runs\n[neither](y)\n',
        runs: true,
      },
    ])
  })
})
