import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, request, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { type DockerApi, dockerApi } from '../../src/front/docker/docker.ts'
import type { LocalController } from '../../src/model/controller.ts'
import { MemoryRig } from './memory-rig.ts'

export interface Reply {
  readonly status: number
  // biome-ignore lint/suspicious/noExplicitAny: what a client gets is whatever was sent
  readonly body: any
  readonly headers: Readonly<Record<string, unknown>>
}

const json = { 'Content-Type': 'application/json' }

/** Docker's API for an engine in memory, on a unix socket. */
export class DockerApiRig implements AsyncDisposable {
  readonly problems: unknown[] = []
  readonly #folder: string
  readonly #machine = new MemoryRig()
  #engine: LocalController | undefined
  #api: DockerApi | undefined
  #server: Server | undefined

  private constructor(folder: string) {
    this.#folder = folder
  }

  static async start(): Promise<DockerApiRig> {
    const rig = new DockerApiRig(await mkdtemp(join(tmpdir(), 'cnm-docker-api-')))
    await rig.#start()
    return rig
  }

  get cnm(): LocalController {
    return this.#engine!
  }

  get api(): DockerApi {
    return this.#api!
  }

  /** The same machine and records, with another daemon. */
  async restart(): Promise<void> {
    await this.#stop()
    await this.#start()
  }

  /** Sends it as it is: a text is not made JSON. */
  async ask(
    method: string,
    path: string,
    body?: unknown,
    headers: Readonly<Record<string, string>> = json,
  ): Promise<Reply> {
    const socketPath = join(this.#folder, 'docker.sock')
    const sent = typeof body === 'object' ? JSON.stringify(body) : (body as string | undefined)
    const given = sent === undefined ? {} : headers
    const call = request({ socketPath, method, path, headers: given, agent: false })
    // Node writes an empty end after a long body, and nothing listens when that meets a closed server.
    call.once('socket', (socket) => socket.on('error', () => {}))
    call.end(sent)
    return new Promise((resolve, reject) => {
      call.on('error', reject)
      call.once('response', (response) => {
        text(response).then((said) => {
          const isJson = response.headers['content-type'] === 'application/json'
          const lines = isJson ? said.split('\n').filter((line) => line !== '') : []
          const values = lines.map((line) => JSON.parse(line))
          const body = !isJson ? said : values.length === 1 ? values[0] : values
          resolve({ status: response.statusCode ?? 0, body, headers: response.headers })
        }, reject)
      })
    })
  }

  /** Makes a network. */
  create(body: object): Promise<Reply> {
    return this.ask('POST', '/networks/create', body)
  }

  async network(name: string): Promise<Reply['body']> {
    return (await this.ask('GET', `/networks/${name}`)).body
  }

  list(filters: unknown): Promise<Reply> {
    const given = typeof filters === 'string' ? filters : JSON.stringify(filters)
    return this.ask('GET', `/networks?filters=${encodeURIComponent(given)}`)
  }

  async names(filters: object): Promise<string[]> {
    return (await this.list(filters)).body.map(({ Name }: { Name: string }) => Name).sort()
  }

  async #start(): Promise<void> {
    this.#engine = await this.#machine.start()
    this.#api = dockerApi({
      controller: this.#engine,
      version: '1.2.3',
      onProblem: (problem) => this.problems.push(problem),
    })
    await this.#api.ready()
    const server = createServer(this.#api.handle)
    this.#server = server
    await new Promise<void>((resolve) => server.listen(join(this.#folder, 'docker.sock'), resolve))
  }

  async #stop(): Promise<void> {
    await this.#api?.close()
    this.#server?.closeAllConnections()
    await new Promise((resolve) => this.#server?.close(resolve))
    await this.#engine?.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stop()
    await rm(this.#folder, { recursive: true })
  }
}
