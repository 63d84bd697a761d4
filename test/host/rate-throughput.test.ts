import { cpus } from 'node:os'
import { expect, it } from 'vitest'
import { type IperfOptions, iperf } from '../support/iperf.ts'
import { add, type KernelRig, kernelRig, remove } from '../support/kernel-rig.ts'
import { ifb, ping, qdiscs, rate, shaped, twoBoxes, way } from '../support/rate-rig.ts'

/** In bits per second. */
interface Measured {
  /** What came through at least, in either direction. */
  readonly least: number
  /** What passed through either direction's limit at most. */
  readonly most: number
}

/**
 * What passes through each direction's tbf during that, in bits. The most is counted there, over more
 * than the time of the work, because a receiver may get what waited for it at once.
 */
async function onTheWire<T>(rig: KernelRig, work: () => Promise<T>) {
  const sent = async () => {
    const tbfs = (await qdiscs(rig)).filter(({ kind }) => kind === 'tbf')
    return new Map(tbfs.map(({ dev, bytes }) => [dev, bytes]))
  }
  const start = performance.now()
  const before = await sent()
  const result = await work()
  const after = await sent()
  const bits = [shaped, ifb].map((dev) => (after.get(dev)! - before.get(dev)!) * 8)
  const most = Math.max(...bits) / ((performance.now() - start) / 1000)
  return { bits, most, result }
}

/** It must never be more at the limit. It may be less for a while, and where the machine itself can't do more. */
async function expectRate(bits: number, measure: () => Promise<Measured>): Promise<void> {
  const idle = () => cpus().reduce((sum, { times }) => sum + times.idle, 0)
  const tries: string[] = []
  let excused = false
  while (tries.length < 6) {
    const [start, idleBefore] = [performance.now(), idle()]
    const { least, most } = await measure()
    expect(most).toBeLessThan(1.1 * bits)
    if (least > 0.9 * bits) return
    const share = (idle() - idleBefore) / (cpus().length * (performance.now() - start))
    tries.push(`${least} with ${Math.round(share * 100)} % of the processors idle`)
    excused ||= bits >= 1e8 && share < 0.1
  }
  if (!excused) expect.fail(`less than ${bits} bit/s, whenever tried: ${tries.join(', ')}`)
}

/** A host whose first sandbox has that rate both ways, and how to measure it. */
async function limitedTo(bits: number) {
  const rig = await kernelRig()
  try {
    await twoBoxes(rig)
    await add(rig.kernel, rate({ toSandbox: bits, fromSandbox: bits }))
  } catch (error) {
    await rig[Symbol.asyncDispose]()
    throw error
  }
  const seconds = bits < 1e9 ? 2 : 1
  // What has been saved up, and TCP's finding out how slow it is.
  const omitSeconds = bits < 1e7 ? 1 : 0
  type How = Pick<IperfOptions, 'direction' | 'udp'>
  const measure = (how: How) =>
    onTheWire(rig, () => iperf(rig.host, { ...way(rig), seconds, omitSeconds, ...how }))
  const arrived = async (how: How): Promise<Measured> => {
    const { result, most } = await measure(how)
    const both = [result.there, result.back].filter((one) => one !== undefined)
    return { least: Math.min(...both), most }
  }
  const sent = async (how: How) => {
    const { bits, most } = await measure(how)
    return { least: Math.min(...bits) / (seconds + omitSeconds), most, bits }
  }
  return { arrived, sent, seconds, [Symbol.asyncDispose]: () => rig[Symbol.asyncDispose]() }
}

async function expectTcp(bits: number, { arrived, sent }: Awaited<ReturnType<typeof limitedTo>>) {
  await expectRate(bits, () => arrived({ direction: 'there' }))
  await expectRate(bits, () => arrived({ direction: 'back' }))
  // What arrives is less by the acknowledgements for the other direction.
  await expectRate(bits, () => sent({ direction: 'both' }))
}

it('gives 1, 10 and 100 Mbit/s within 10 %', async () => {
  const measure = async (bits: number) => {
    await using limited = await limitedTo(bits)
    await expectTcp(bits, limited)
    const udp = { bitsPerSecond: 1.2 * bits, bytes: 1448 }
    await expectRate(bits, () => limited.arrived({ direction: 'both', udp }))
  }
  await Promise.all([1e6, 1e7, 1e8].map(measure))
})

it('gives 1 Gbit/s within 10 %', async () => {
  await using limited = await limitedTo(1e9)
  await expectTcp(1e9, limited)
  // So large that the sender can keep up; of many, one part or another gets lost.
  const udp = { bitsPerSecond: 1.2e9, bytes: 30_000 }
  await expectRate(1e9, async () => {
    const { bits, most } = await limited.sent({ direction: 'there', udp })
    return { least: bits[1]! / limited.seconds, most }
  })
})

it('comes and goes while traffic flows, which goes on', async () => {
  await using rig = await kernelRig()
  await twoBoxes(rig)
  const limit = rate({ toSandbox: 5e8, fromSandbox: 5e8 })
  const seconds = 2
  let flows = true
  const traffic = iperf(rig.host, { ...way(rig), direction: 'both', seconds }).finally(() => {
    flows = false
  })
  let rounds = 0
  for (; flows; rounds += 1) {
    await add(rig.kernel, limit)
    await remove(rig.kernel, limit)
    await ping(rig)
  }
  expect(rounds).toBeGreaterThan(3)
  const { there, back } = await traffic
  expect(Math.min(there!, back!)).toBeGreaterThan(0)
  expect(await qdiscs(rig)).toEqual([])
})

it('is lowered though packets wait that are larger than what may pass at once then', async () => {
  await using rig = await kernelRig()
  await twoBoxes(rig)
  const [fast, slow] = [1e8, 1e6].map((bits) => rate({ toSandbox: bits, fromSandbox: bits }))
  await add(rig.kernel, fast!)
  const traffic = iperf(rig.host, { ...way(rig), direction: 'both', seconds: 3 })
  const least = async () => {
    const tbfs = (await qdiscs(rig)).filter(({ kind }) => kind === 'tbf')
    return Math.min(...tbfs.map(({ backlog }) => backlog))
  }
  await expect.poll(least, { timeout: 5000, interval: 10 }).toBeGreaterThan(100_000)
  await rig.kernel.apply({ remove: [fast!], add: [slow!] })
  await ping(rig)
  await traffic
  const { there } = await iperf(rig.host, { ...way(rig), direction: 'there', seconds: 1 })
  expect(there).toBeGreaterThan(5e5)
})
