import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pluginSource } from '../../src/linux/plugins.ts'
import { createController, type LocalController } from '../../src/model/controller.ts'
import { type PluginHandlers, pluginListener } from '../../src/plugin/server.ts'
import { Life, MemoryRig } from './memory-rig.ts'

type Fault = (request: IncomingMessage, response: ServerResponse) => void

/** What can go wrong with one call. */
export const faults = {
  hangs: () => {},
  'dies in the middle': (request: IncomingMessage) => request.socket.destroy(),
  'answers 500': (_: IncomingMessage, response: ServerResponse) => {
    response.writeHead(500).end('{"Err":"it is broken"}')
  },
  'answers an error with status 200': (_: IncomingMessage, response: ServerResponse) => {
    response.writeHead(200).end('{"Err":"it is broken","Error":"it is broken"}')
  },
  'answers no JSON': (_: IncomingMessage, response: ServerResponse) => {
    response.writeHead(200).end('{"Interface')
  },
  'answers something else': (_: IncomingMessage, response: ServerResponse) => {
    response.writeHead(200).end('[1, 2, 3]')
  },
} as const satisfies Readonly<Record<string, Fault>>

/** One answer, instead of the plugin's own. */
export function answering(answer: object): Fault {
  return (_, response) => response.writeHead(200).end(JSON.stringify(answer))
}

/** A network driver and IPAM `fake`, on a machine in memory: its links come and go with endpoints. */
export class FakePlugin implements AsyncDisposable {
  readonly rig = new MemoryRig()
  readonly calls: string[] = []
  readonly networks = new Set<string>()
  readonly endpoints = new Set<string>()
  readonly addresses = new Set<string>()
  /** By method: what happens the next time. */
  readonly faults = new Map<string, Fault>()
  folder = ''
  requiresReplay = false
  #server: Server | undefined
  #controller: LocalController | undefined
  #life = new Life()

  static async start(): Promise<FakePlugin> {
    const fake = new FakePlugin()
    fake.folder = await mkdtemp(join(tmpdir(), 'fake-plugin-'))
    await fake.listen()
    return fake
  }

  async listen(): Promise<void> {
    const listener = pluginListener({ NetworkDriver: this.#driver(), IpamDriver: this.#ipam() })
    this.#server = createServer((request, response) => {
      // Who is dead asks nothing.
      if (this.#life.over) return request.socket.destroy()
      const method = (request.url ?? '').split('.')[1] ?? ''
      this.calls.push(method)
      const fault = this.faults.get(method)
      this.faults.delete(method)
      if (fault === undefined) listener(request, response)
      else fault(request, response)
    })
    const path = join(this.folder, 'fake.sock')
    await rm(path, { force: true })
    await new Promise<void>((resolve) => this.#server?.listen(path, resolve))
  }

  /** It is gone, with its socket. */
  async stop(): Promise<void> {
    this.#server?.closeAllConnections()
    await new Promise((resolve) => this.#server?.close(resolve) ?? resolve(undefined))
  }

  forget(): void {
    this.networks.clear()
    this.endpoints.clear()
    this.addresses.clear()
  }

  async engine(life = new Life(), timeoutMs = 1_000): Promise<LocalController> {
    this.#life = life
    const parts = this.rig.parts(life)
    const folders = { sockets: [this.folder], specs: [] }
    const times = { retryMs: 10, pauseMs: 50, firstMs: 10, mostMs: 50, timeoutMs }
    const plugins = pluginSource(folders, parts.onProblem, times)
    this.#controller = await createController({ ...parts, plugins })
    return this.#controller
  }

  /** All there is, of machine, records and plugin. */
  state(): unknown {
    const { networks, endpoints, addresses } = this
    return { ...this.rig.snapshot(), plugin: [[...networks], [...endpoints], [...addresses]] }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#controller?.close()
    await this.stop()
    await rm(this.folder, { recursive: true, force: true })
  }

  #driver(): NonNullable<PluginHandlers['NetworkDriver']> {
    const { kernel } = this.rig
    const link = (endpoint: string) => `si-${endpoint.slice(0, 10)}`
    return {
      GetCapabilities: () => ({ Scope: 'local' }),
      CreateNetwork: ({ NetworkID }) => this.networks.add(NetworkID),
      DeleteNetwork: ({ NetworkID }) => this.networks.delete(NetworkID),
      CreateEndpoint: ({ NetworkID, EndpointID }) => {
        if (!this.networks.has(NetworkID)) throw new Error('there is no such network')
        this.endpoints.add(EndpointID)
        kernel.addLink({ name: link(EndpointID), type: 'tun' })
        return {}
      },
      DeleteEndpoint: ({ EndpointID }) => {
        this.endpoints.delete(EndpointID)
        kernel.removeLink(link(EndpointID))
      },
      EndpointOperInfo: ({ EndpointID }) => {
        if (!this.endpoints.has(EndpointID)) throw new Error('there is no such endpoint')
        return {}
      },
      Join: ({ EndpointID }) => ({
        InterfaceName: { SrcName: link(EndpointID), DstPrefix: 'eth' },
        Gateway: '10.66.0.1',
      }),
      Leave: () => {},
      ProgramExternalConnectivity: () => {},
      RevokeExternalConnectivity: () => {},
    }
  }

  #ipam(): NonNullable<PluginHandlers['IpamDriver']> {
    return {
      GetCapabilities: () => ({ RequiresRequestReplay: this.requiresReplay }),
      GetDefaultAddressSpaces: () => ({ LocalDefaultAddressSpace: 'fake' }),
      RequestPool: ({ Pool }) => ({ PoolID: 'pool', Pool: Pool || '10.66.0.0/24' }),
      ReleasePool: () => this.addresses.clear(),
      RequestAddress: ({ Address }) => {
        let host = 1
        while (this.addresses.has(`10.66.0.${host}`)) host += 1
        const address = Address || `10.66.0.${host}`
        if (this.addresses.has(address)) throw new Error(`${address} is in use`)
        this.addresses.add(address)
        return { Address: `${address}/24` }
      },
      ReleaseAddress: ({ Address }) => this.addresses.delete(Address),
    }
  }
}
