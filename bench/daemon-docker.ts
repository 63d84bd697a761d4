import { readdirSync, readFileSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { timed } from './daemon-attach.ts'
import { DockerDaemon } from './docker-daemon.ts'
import { firstAnswer, restartTime } from './first-answer.ts'
import { pssMegabytes } from './names-subject.ts'
import { prepared } from './session.ts'
import { median, ms, quantile } from './statistics.ts'
import { ip, makeHost } from './traffic-subject.ts'

const containers = Array.from({ length: 20 }, (_, i) => `box${i}`)
const rounds = 5

/** The same of a real dockerd, as far as it has the same; undefined: there is none here. */
export async function dockerRows(folder: string): Promise<string[][] | undefined> {
  if (!DockerDaemon.isInstalled()) return undefined
  const { host, outside } = makeHost('docker')
  const daemon = new DockerDaemon(prepared(folder, 'memory/docker'), host, ['--live-restore'])
  await firstAnswer(daemon.socketPath, '/_ping')
  const version = daemon.docker('version', '--format', '{{.Server.Version}}').trim()
  const idle = memory()
  daemon.importImage(prepared(folder, 'memory/image'))
  for (const [i, name] of containers.entries()) daemon.run(name, '--publish', `${9000 + i}:80`)
  const full = memory()
  const { connect, disconnect } = await connecting(daemon)
  const restarts: number[] = []
  for (let i = 0; i < rounds; i++) restarts.push(await restartTime(daemon, '/_ping'))
  await daemon.stop(containers)
  for (const name of [host, outside]) ip('netns', 'del', name)
  const one = (numbers: readonly number[]) => [ms(median(numbers)), ms(quantile(numbers, 0.99))]
  return [
    [`Docker ${version}, ms`, 'median', 'p99'],
    ['connect a running container, by its API', ...one(connect)],
    ['disconnect', ...one(disconnect)],
    [`killed and started, ${containers.length} containers with a port each`, ...one(restarts)],
    ['memory of dockerd and containerd (PSS), MB: idle', idle.toFixed(0), ''],
    [`with ${containers.length} containers, without their shims`, full.toFixed(0), ''],
  ]
}

/** Each of them is connected to a second network, three times. */
async function connecting({ socketPath }: DockerDaemon) {
  const agent = new Agent({ keepAlive: true })
  const post = (path: string, body: object) => asked(agent, socketPath, path, body)
  await post('/networks/create', { Name: 'second' })
  const each = async (verb: string) => {
    let next = 0
    return timed(containers.length, () => {
      return post(`/networks/second/${verb}`, { Container: containers[next++] })
    })
  }
  const connect: number[] = []
  const disconnect: number[] = []
  for (let i = 0; i < 3; i++) {
    connect.push(...(await each('connect')))
    disconnect.push(...(await each('disconnect')))
  }
  agent.destroy()
  return { connect, disconnect }
}

function asked(agent: Agent, socketPath: string, path: string, body: object): Promise<void> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json' }
    const options = { agent, socketPath, path, method: 'POST', headers }
    const question = request(options, (response) => {
      response.resume()
      response.once('end', () => {
        if ((response.statusCode ?? 0) < 300) resolve()
        else reject(new Error(`${path}: ${response.statusCode}`))
      })
    })
    question.once('error', reject)
    question.end(JSON.stringify(body))
  })
}

/** Of all that have one of these names: nobody else is in our process namespace. */
function memory(): number {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && /^(dockerd|containerd)$/.test(nameOf(name)))
    .reduce((sum, pid) => sum + pssMegabytes(Number(pid)), 0)
}

function nameOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim()
  } catch {
    return ''
  }
}
