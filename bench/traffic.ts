import { session } from './session.ts'
import { median, table } from './statistics.ts'
import { docker } from './traffic-docker.ts'
import { published } from './traffic-library.ts'
import { leastNat, plain } from './traffic-plain.ts'
import {
  connectionsProgram,
  IPERF,
  inside,
  type Target,
  type TrafficSubject,
} from './traffic-subject.ts'

/**
 * What packets pay: new connections per second and throughput, through a published port and between
 * sandboxes, as ratios to plain routing. All take turns.
 */
const rounds = 9
const outstanding = 16

/** Connections per second, each subject with one port and, where it can, with 1,000. */
async function connectionRates(subjects: readonly TrafficSubject[]): Promise<string[][]> {
  const samples = new Map<string, number[]>()
  const note = (name: string, subject: TrafficSubject) => {
    const list = samples.get(name) ?? []
    list.push(connect(subject))
    samples.set(name, list)
  }
  for (const subject of subjects) connect(subject)
  for (let round = 0; round < rounds; round++) {
    for (const subject of subjects) note(subject.name, subject)
    for (const subject of subjects) {
      if (subject.crowd === undefined) continue
      await subject.crowd(true)
      note(`${subject.name}, 1,000 ports`, subject)
      await subject.crowd(false)
    }
  }
  for (const subject of subjects) {
    if (subject.fill === undefined) continue
    subject.fill()
    for (let round = 0; round < rounds; round++) note(`${subject.name}, 1,000 ports`, subject)
  }
  const floor = median(samples.get(subjects[0]!.name)!)
  return [...samples].map(([name, rates]) => {
    const rate = median(rates)
    return [
      name,
      rate.toFixed(0),
      (rate / floor).toFixed(2),
      name.startsWith('cnm') ? '≥ 0.92' : '',
    ]
  })
}

function connect({ outside, connections: { address, port } }: TrafficSubject): number {
  const argv = [connectionsProgram, 'ask', address, String(port), '700', String(outstanding)]
  return Number(inside(outside, argv))
}

/** Gbit/s from outside, and between two sandboxes of one network. */
function throughput(subjects: readonly TrafficSubject[]): string[][] {
  const samples = new Map<string, number[]>()
  const note = (name: string, from: string, target: Target) => {
    const list = samples.get(name) ?? []
    list.push(gigabits(from, target))
    samples.set(name, list)
  }
  for (let round = 0; round < rounds; round++) {
    for (const { name, outside, iperf, neighbour } of subjects) {
      note(`${name}, from outside`, outside, iperf)
      if (neighbour === undefined) continue
      const { namespace, address } = neighbour
      note(`${name}, between neighbours`, namespace, { address, port: IPERF })
    }
  }
  return [...samples].map(([name, rates]) => {
    const [, way] = name.split(/, (?=from|between)/)
    const floor = median(samples.get(`${subjects[0]!.name}, ${way}`)!)
    const goal = way === 'from outside' ? '≥ 0.95' : '≥ 0.97'
    const ratio = (median(rates) / floor).toFixed(2)
    return [name, median(rates).toFixed(1), ratio, name.startsWith('cnm') ? goal : '']
  })
}

function gigabits(from: string, { address, port }: Target): number {
  const argv = ['iperf3', '--client', address, '--port', String(port), '--time', '1', '--json']
  const { end } = JSON.parse(inside(from, argv)) as {
    end: { sum_received: { bits_per_second: number } }
  }
  return end.sum_received.bits_per_second / 1e9
}

await session(async (folder) => {
  const subjects = [await plain(), await leastNat(), await published(folder)]
  const peer = await docker(folder)
  if (peer !== undefined) subjects.push(peer)
  try {
    const connections = await connectionRates(subjects)
    const rates = throughput(subjects)
    return [
      table([['new connections per second', 'median', 'ratio', 'goal'], ...connections]),
      '',
      table([['TCP, Gbit/s', 'median', 'ratio', 'goal'], ...rates]),
      ...(peer === undefined
        ? ['', 'no dockerd is installed, so there is no peer to compare with']
        : []),
      '',
    ].join('\n')
  } finally {
    for (const subject of subjects.reverse()) await subject.close()
  }
})
