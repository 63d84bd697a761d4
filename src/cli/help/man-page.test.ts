import { readFileSync } from 'node:fs'
import { Command } from 'commander'
import { expect, it } from 'vitest'
import { program } from '../program.ts'
import { manPages } from './man.ts'

it('has a page for each command and group', async () => {
  const pages = manPages(await program(), '1.2.3')
  expect([...pages.keys()]).toEqual(
    expect.arrayContaining(['cnm.1', 'cnm-run.1', 'cnm-network.1', 'cnm-network-create.1']),
  )
  expect([...pages.keys()].filter((name) => name.includes('__'))).toEqual([])
  for (const [name, page] of pages) {
    // What begins with a dot is a request; there are only these.
    const requests = page.match(/^[.'].*/gm) ?? []
    for (const request of requests) expect(request).toMatch(/^\.(TH|SH|TP|B|BR|nf|fi)\b|^\\&/)
    expect(page, name).toMatch(/^\.SH NAME\n\S+ \\- \S/m)
  }
})

it('is named in package.json, without which npm installs no page', async () => {
  const path = new URL('../../../package.json', import.meta.url)
  const { man } = JSON.parse(readFileSync(path, 'utf8')) as { readonly man: readonly string[] }
  const pages = manPages(await program(), '1.2.3')
  expect([...man].sort()).toEqual([...pages.keys()].map((name) => `./dist/man/${name}`).sort())
})

it('keeps what roff would take for something else', () => {
  const command = new Command('x')
    .description('what it does')
    .option('--a-b <c>', 'uses \\n and -x')
    .addHelpText('after', '\n.config is a file.\n\nExamples:\n  x --a-b\n  y')
  const page = manPages(command, '1').get('x.1')
  expect(page).toContain('.B \\-\\-a\\-b <c>\nuses \\en and \\-x\n')
  expect(page).toContain('.SH DESCRIPTION\n\\&.config is a file.\n')
  expect(page).toContain('.SH EXAMPLES\n.nf\n  x \\-\\-a\\-b\n  y\n.fi\n')
})
