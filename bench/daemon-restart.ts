import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { connectController } from 'libcnm/client'
import type { DaemonProcess } from './daemon-process.ts'
import { restartTime } from './first-answer.ts'
import { startAsking } from './names-subject.ts'
import { median, ms } from './statistics.ts'
import {
  connectionsProgram,
  IPERF,
  pathOf,
  SERVED,
  serve,
  serving,
  stop,
} from './traffic-subject.ts'

const boxes = 20
const quietRounds = 7
const busyRounds = 3
const askedMs = 10_000

/** Killed and started again, with 20 sandboxes of which each has a port published. */
export async function restartRows(daemon: DaemonProcess, outside: string): Promise<string[][]> {
  const namespace = await fill(daemon)
  const quiet: number[] = []
  const cpu: number[] = []
  for (let round = 0; round < quietRounds; round++) {
    quiet.push(await restartTime(daemon, '/v1/status'))
    cpu.push(daemon.cpuMs)
  }
  const { times, lost } = await whileUsed(daemon, namespace, outside)
  const cnm = await connectController({ socket: daemon.socketPath })
  await cnm.down()
  await cnm.close()
  return [
    [`killed and started, ${boxes} endpoints with a port each`, 'median', 'worst', 'goal'],
    ['ms to the first answer', ms(median(quiet)), ms(Math.max(...quiet)), '≤ 500'],
    ['of that on processors, all threads', ms(median(cpu)), ms(Math.max(...cpu)), ''],
    ['while names and ports are used', ms(median(times)), ms(Math.max(...times)), ''],
    ...lost,
  ]
}

/** Answers with the network namespace of the first sandbox. */
async function fill({ socketPath }: DaemonProcess): Promise<string> {
  const cnm = await connectController({ socket: socketPath })
  await cnm.createNetwork({ name: 'restart', subnets: ['10.99.0.0/16'] })
  for (let i = 0; i < boxes; i++) {
    const publish = i === 0 ? [`8080:${SERVED}`, `${IPERF}:${IPERF}`] : [`${9000 + i}:${SERVED}`]
    await cnm.createSandbox({ name: `box${i}`, connect: [{ network: 'restart', publish }] })
  }
  const { namespace } = await cnm.sandbox('box0').inspect()
  await cnm.close()
  return namespace!.path
}

/** One sandbox asks for another one all the time, and is reached from outside on its ports. */
async function whileUsed(daemon: DaemonProcess, namespace: string, outside: string) {
  const servers = [
    await serve(namespace, serving.connections),
    await serve(namespace, serving.iperf),
  ]
  const place = { namespace, server: '127.0.0.11', question: 'box1' }
  const { child, report } = startAsking({ name: 'cnm', ...place }, 1, 600)
  const [connections, stream] = [newConnections(outside), openConnection(outside)]
  const times: number[] = []
  for (let i = 0; i < busyRounds; i++) times.push(await restartTime(daemon, '/v1/status'))
  child.kill('SIGTERM')
  const { answers, lost, errors, max } = await report
  const rows = [
    [`queries lost or wrong, of ${answers}`, String(lost + errors), '', '0'],
    ['longest answer, ms', ms(max / 1000), '', ''],
    ['new connections lost', await connections, '', '0'],
    ['open connections lost', await stream, '', '0'],
  ]
  for (const server of servers) await stop(server)
  return { times, lost: rows }
}

/** How many have failed. */
async function newConnections(outside: string): Promise<string> {
  const argv = [connectionsProgram, 'ask', '192.0.2.1', '8080', String(askedMs), '1']
  const child = spawn('nsenter', [`--net=${pathOf(outside)}`, ...argv], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const said = await text(child.stderr)
  return said === '' ? '0' : (/(\d+) connections failed/.exec(said)?.[1] ?? said.trim())
}

/** One that something is sent on all the time. */
async function openConnection(outside: string): Promise<string> {
  const seconds = String(askedMs / 1000)
  const argv = ['iperf3', '-c', '192.0.2.1', '-p', String(IPERF), '-t', seconds, '-b', '10M']
  const child = spawn('nsenter', [`--net=${pathOf(outside)}`, ...argv], { stdio: 'ignore' })
  const [status] = await once(child, 'exit')
  return status === 0 ? '0' : '1'
}
