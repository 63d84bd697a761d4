// Prints how large the house is and how its files hang together, for each checkout that is named, side by side.
//
//   node scripts/house.mjs [CHECKOUT…]
//
// Default: this one. It counts src/ without the tests in it; types are imports like any others. Before and after:
//
//   git worktree add /tmp/before COMMIT && node scripts/house.mjs /tmp/before .
import { fileURLToPath } from 'node:url'
import { rolldown } from 'rolldown'

const here = fileURLToPath(new URL('..', import.meta.url))

/** What counts is what the tests count with, and they are in TypeScript. */
async function load(path) {
  const input = fileURLToPath(new URL(path, import.meta.url))
  const bundle = await rolldown({ input, platform: 'node' })
  const { output } = await bundle.generate({ format: 'esm' })
  await bundle.close()
  return import(`data:text/javascript,${encodeURIComponent(output[0].code)}`)
}

const { houseFigures } = await load('../test/support/house-figures.ts')
const named = process.argv.slice(2)
const columns = (named.length === 0 ? [here] : named).map(houseFigures)
const width = (texts) => Math.max(...texts.map((text) => text.length))
const names = Object.keys(columns[0])
for (const name of names) {
  const cells = columns.map((figures) => figures[name].padEnd(width(Object.values(figures))))
  console.log(`${name.padEnd(width(names))}  ${cells.join('  ')}`.trimEnd())
}
