import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll } from 'vitest'
import { ipamDriver } from '../../../examples/plugin/ipam-driver.ts'
import { Plugins } from '../../plugin/plugins.ts'
import { type PluginServer, servePlugin } from '../../plugin/server.ts'
import { ipamContract } from '../../testing/ipam-contract.ts'
import { remoteIpam } from './remote.ts'

let folder: string
const servers: PluginServer[] = []

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'plugin-'))
})

afterAll(async () => {
  await Promise.all(servers.map((server) => server.close()))
  await rm(folder, { recursive: true, force: true })
})

ipamContract('the sample IPAM, as a plugin,', {
  async create() {
    const name = `sample-${servers.length}`
    const handlers = { IpamDriver: ipamDriver() }
    servers.push(await servePlugin({ path: join(folder, `${name}.sock`), handlers }))
    const plugins = new Plugins({ folders: { sockets: [folder] } })
    return remoteIpam(plugins.get(name), () => {})
  },
})
