import { Agent, createServer, request, type Server } from 'node:http'

/** Stands between dockerd and a plugin, and adds up how long it waits for answers. */
export class PluginClock {
  readonly #agent: Agent
  readonly #server: Server
  #ms = 0
  slowestMs = 0

  constructor(at: string, plugin: string) {
    this.#agent = new Agent({ keepAlive: true })
    this.#server = createServer((asked, answer) => {
      const begin = performance.now()
      const { method, url: path, headers } = asked
      const options = { agent: this.#agent, socketPath: plugin, method, path, headers }
      const passed = request(options, (response) => {
        answer.writeHead(response.statusCode ?? 500, response.headers)
        response.pipe(answer)
        response.once('end', () => this.#add(performance.now() - begin))
      })
      passed.once('error', () => answer.destroy())
      asked.pipe(passed)
    })
    this.#server.listen(at)
  }

  /** What has been added up since it was last asked. */
  take(): number {
    const ms = this.#ms
    this.#ms = 0
    return ms
  }

  close(): void {
    this.#server.closeAllConnections()
    this.#server.close()
    this.#agent.destroy()
  }

  #add(ms: number): void {
    this.#ms += ms
    this.slowestMs = Math.max(this.slowestMs, ms)
  }
}
