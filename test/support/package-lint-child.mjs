// Prints what publint and attw find in a packed package, as JSON: a list of sentences.
// Usage: node package-lint-child.mjs TARBALL FOLDER
import { readFileSync } from 'node:fs'
import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core'
import { publint } from 'publint'
import { formatMessage } from 'publint/utils'

const [tarball, folder] = process.argv.slice(2)
const { messages, pkg } = await publint({ pkgDir: folder, pack: false, strict: true })
const types = await checkPackage(
  createPackageFromTarballData(new Uint8Array(readFileSync(tarball))),
)

// What Node.js 20.19 does: it knows exports, and its require() loads modules.
const isOld = ({ kind, resolutionKind }) =>
  resolutionKind === 'node10' || (kind === 'CJSResolvesToESM' && resolutionKind === 'node16-cjs')

console.log(
  JSON.stringify([
    ...messages.map((message) => formatMessage(message, pkg, { color: false })),
    ...(types.types === false ? ['there are no types'] : []),
    ...(types.problems ?? [])
      .filter((problem) => !isOld(problem))
      .map((each) => JSON.stringify(each)),
  ]),
)
