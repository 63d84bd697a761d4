import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'

const script = fileURLToPath(new URL('../scripts/house.mjs', import.meta.url))

const small = { 'src/a/a.ts': "import '../b.ts'\n", 'src/b.ts': '\n\n\n', 'src/b.test.ts': '\n' }
const circular = { ...small, 'src/b.ts': "import './c.ts'\n", 'src/c.ts': "import './b.ts'\n" }

it('scripts/house.mjs counts checkouts, side by side', () => {
  const folder = mkdtempSync(join(tmpdir(), 'cnm-house-'))
  try {
    for (const [name, files] of Object.entries({ small, circular })) {
      for (const [path, text] of Object.entries(files)) {
        mkdirSync(dirname(join(folder, name, path)), { recursive: true })
        writeFileSync(join(folder, name, path), text)
      }
    }
    const argv = [script, join(folder, 'small'), join(folder, 'circular')]
    const printed = execFileSync(process.execPath, argv, { encoding: 'utf8', timeout: 15_000 })
    const rows = printed.split('\n').map((line) => line.split(/ {2,}/))
    expect(rows).toContainEqual(['files', '2', '3'])
    expect(rows).toContainEqual(['lines', '4', '3'])
    expect(rows).toContainEqual(['folders', '2', '2'])
    expect(rows).toContainEqual(['knots of circles', '0', '1'])
    expect(rows).toContainEqual(['files in circles', '0', '2'])
    expect(rows).toContainEqual(['longest import chain', '2 files', '2 files'])
  } finally {
    rmSync(folder, { recursive: true })
  }
})
