import { symlinkSync, writeFileSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { type CodeBlock, root } from './documentation.ts'
import { run } from './run.ts'

/**
 * Compiles examples in a folder of their own, as a program that has libcnm installed would be.
 *   source: against src/, so that nothing has to be built
 *   build: against dist/, and the JavaScript is left in the folder, ready to run
 */
export async function compileExamples(
  folder: string,
  examples: readonly CodeBlock[],
  against: 'source' | 'build',
): Promise<void> {
  const manifest = JSON.stringify({ type: 'module' })
  writeFileSync(join(folder, 'package.json'), manifest)
  if (against === 'build') {
    await mkdir(join(folder, 'node_modules'))
    symlinkSync(root, join(folder, 'node_modules/libcnm'))
  }
  for (const { name, code } of examples) writeFileSync(join(folder, `${name}.ts`), code)
  const config = {
    extends: join(root, 'tsconfig.json'),
    compilerOptions: {
      moduleDetection: 'force',
      noUnusedLocals: false,
      typeRoots: [join(root, 'node_modules/@types')],
      ...(against === 'source'
        ? { paths: sourcePaths }
        : { noEmit: false, allowImportingTsExtensions: false, rootDir: folder, outDir: folder }),
    },
    include: [],
    files: examples.map(({ name }) => `${name}.ts`),
  }
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config))
  await run([process.execPath, join(root, 'node_modules/typescript/bin/tsc'), '-p', folder], {
    timeoutMs: 60_000,
  })
}

const sourcePaths = {
  libcnm: [join(root, 'src/index.ts')],
  'libcnm/client': [join(root, 'src/client/client.ts')],
  'libcnm/driver': [join(root, 'src/driver/index.ts')],
  'libcnm/kernel': [join(root, 'src/kernel/index.ts')],
  'libcnm/store': [join(root, 'src/store/index.ts')],
  'libcnm/linux': [join(root, 'src/linux/library.ts')],
  'libcnm/netlink': [join(root, 'src/kernel/linux/netlink/index.ts')],
  'libcnm/plugin': [join(root, 'src/plugin/server.ts')],
  'libcnm/nftables': [join(root, 'src/kernel/linux/nftables/index.ts')],
  'libcnm/testing': [join(root, 'src/testing/index.ts')],
}
