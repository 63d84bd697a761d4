import { once } from 'node:events'
import { createServer, get, type RequestListener, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { finished } from 'node:stream/promises'
import { expect, it } from 'vitest'
import { frontLog } from './front-log.ts'

it('tells each request when it is answered, with what is noted of it, and not its query', async () => {
  const lines: object[] = []
  const at = (level: string) => (facts: object, message: string) => {
    lines.push({ level, message, ...facts })
  }
  const log = { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
  const noteOf = frontLog('docker', log, () => ({ pid: 12, uid: 34 }))
  await using server = await serve((request, response) => {
    const note = noteOf(request, response)
    note({ network: 'web' })
    if (request.method === 'POST') note({ error: 'no' })
    response.writeHead(request.method === 'POST' ? 409 : 200).end()
  })
  await server.ask('GET', '/networks/web?token=secret')
  await server.ask('POST', '/networks/create')
  const peer = { pid: 12, uid: 34, ms: expect.any(Number) }
  await expect
    .poll(() => lines)
    .toEqual([
      {
        level: 'debug',
        message: 'docker: GET /networks/web',
        network: 'web',
        status: 200,
        ...peer,
      },
      {
        level: 'info',
        message: 'docker: POST /networks/create',
        network: 'web',
        error: 'no',
        status: 409,
        ...peer,
      },
    ])
})

it('tells of a request whose asker has gone that it was cancelled', async () => {
  const lines: object[] = []
  const push = (facts: object) => void lines.push(facts)
  const noteOf = frontLog(
    'd',
    { debug: push, info: push, warn: push, error: push },
    () => undefined,
  )
  await using server = await serve((request, response) => void noteOf(request, response))
  const asked = get({ port: server.port })
  asked.on('error', () => {})
  await server.asked
  asked.destroy()
  await expect.poll(() => lines).toMatchObject([{ status: 'cancelled' }])
})

async function serve(listener: RequestListener) {
  const server = createServer(listener)
  const asked = once(server, 'request')
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    port,
    asked,
    async ask(method: string, path: string) {
      const sent = request({ port, method, path, agent: false }).end()
      const [response] = await once(sent, 'response')
      response.resume()
      await finished(response)
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
