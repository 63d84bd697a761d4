import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { storeContract } from '../../testing/store-contract.ts'
import { local } from './local.ts'

storeContract('local', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'cnm-store-'))
  const options = { stateDir: join(folder, 'state'), runDir: join(folder, 'run') }
  return {
    open: () => local(options),
    dispose: () => rm(folder, { recursive: true }),
  }
})
