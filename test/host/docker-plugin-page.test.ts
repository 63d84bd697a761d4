import { chmod, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { runDir } from '../support/daemon-process.ts'
import { hasDocker } from '../support/docker-daemon.ts'
import { DockerPluginRig } from '../support/docker-plugin-rig.ts'
import { codeBlocks, pages } from '../support/documentation.ts'

const page = 'docs/docker-plugin.md'
const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))

it.skipIf(!hasDocker)(
  'says what works: the page is followed to the letter',
  async () => {
    const blocks = pages()
      .filter(({ path }) => path === page)
      .flatMap(codeBlocks)
      .filter(({ language }) => language === 'sh')
    // What sets up the two daemons is the rig's.
    const commands = blocks.filter(({ code }) => !/^(systemctl|cnm daemon)/.test(code))
    expect(commands.length).toBe(blocks.length - 2)

    await using rig = await DockerPluginRig.start()
    const { docker, host } = rig
    await docker.docker('tag', 'idle', 'busybox')
    const bin = join(host.folder, 'bin')
    await mkdir(bin)
    await writeFile(join(bin, 'cnm'), `#!/bin/sh\nexec '${process.execPath}' '${main}' "$@"\n`)
    await chmod(join(bin, 'cnm'), 0o755)
    const environment = [
      `export PATH='${bin}':"$PATH"`,
      `export DOCKER_HOST='unix://${docker.socket}'`,
      `export CNM_HOST='${join(runDir(host), 'cnm.sock')}'`,
    ]
    const script = [...environment, 'set -eux', ...commands.map(({ code }) => code)].join('\n')
    await host.sh(script, { timeoutMs: 120_000 })
    await rig.expectNothingLeft()
  },
  180_000,
)
