import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ConnectOptions, LocalSandbox } from '#dist/linux/library.js'
import { addressOf } from '../support/engine-rig.ts'
import {
  hostAddress,
  type PacketWorld,
  packetWorld,
  remoteAddress,
  type Wish,
} from '../support/packet-world.ts'
import { type Answer, protocols } from '../support/packets.ts'
import { type Mode, modes, type Row, rows, type Way } from '../support/reachability-table.ts'

// Every cell of the table, with packets of each protocol in each family. In a network of each mode there
// is a target, with a port that is published and one that isn't, and a neighbour of his. The host forwards
// whatever comes, so that only the firewall is in the way.

const families = ['ipv4', 'ipv6'] as const
type Family = (typeof families)[number]
const allModes = Object.keys(modes) as Mode[]
const hostPort = (mode: Mode) => 8000 + allModes.indexOf(mode)

interface Try {
  readonly name: string
  readonly wish: Wish
  readonly answer: Answer | undefined
}

describe.each([0, 1] as const)('with bridge-nf-call-iptables=%i', (callIptables) => {
  let world: PacketWorld
  let tries: Map<Row, Try[]>
  let answers: Map<Try, Answer | undefined>

  beforeAll(async () => {
    world = await packetWorld({ callIptables, forwards: true })
    const box = await makeBoxes(world)
    tries = new Map()
    for (const row of rows) tries.set(row, await triesOf(world, box, row))
    const all = [...tries.values()].flat()
    answers = new Map(
      await Promise.all(all.map(async (one) => [one, await world.ask(one.wish)] as const)),
    )
  })

  afterAll(() => world?.[Symbol.asyncDispose]())

  it.each(rows)('$mode, from: $client', (row) => {
    const tried = tries.get(row) ?? []
    expect(tried.length).toBeGreaterThan(0)
    expect(tried.map((one) => [one.name, answers.get(one) ?? 'no'])).toEqual(
      tried.map((one) => [one.name, one.answer ?? 'no']),
    )
  })
})

/** The sandboxes by their names: `nat`, `nat-neighbour`, `other-nat` … */
type Box = (name: string) => LocalSandbox

async function makeBoxes(world: PacketWorld): Promise<Box> {
  const make = (name: string, options: ConnectOptions) =>
    world.createSandbox(name, { connect: [options] })
  for (const mode of allModes) {
    await makeNetwork(world, mode, mode)
    const publish = modes[mode].internal
      ? []
      : protocols.map((protocol) => `${hostPort(mode)}:80/${protocol}`)
    await make(mode, { network: mode, publish })
    if (mode === 'internal') await addDefaultRoutes(world, mode)
    await make(`${mode}-neighbour`, { network: mode })
  }
  for (const mode of ['nat', 'routed'] as const) {
    await makeNetwork(world, `other-${mode}`, mode)
    await make(`other-${mode}`, { network: `other-${mode}` })
  }
  return (name) => world.engine.sandbox(name)
}

/** So that answers would find back, if questions got in. */
async function addDefaultRoutes(world: PacketWorld, name: string): Promise<void> {
  for (const family of families) {
    const via = (await world.engine.network(name).inspect())[family]?.gateway ?? ''
    const box = await world.path(world.engine.sandbox(name))
    await world.host.inside(box, ['ip', 'route', 'add', 'default', 'via', via])
  }
}

function makeNetwork(world: PacketWorld, name: string, mode: Mode) {
  const { internal } = modes[mode]
  const gateways = { gatewayMode4: mode, gatewayMode6: mode }
  const options = mode === 'internal' ? {} : { options: gateways }
  return world.engine.createNetwork({ name, ipv6: true, internal, ...options })
}

async function triesOf(world: PacketWorld, box: Box, row: Row): Promise<Try[]> {
  const { mode, cells } = row
  const ways = Object.keys(cells) as Way[]
  const all = families.flatMap((family) =>
    ways.map(async (way): Promise<Try[]> => {
      const cell = cells[way]
      if (cell === 'nothing') return []
      const seen = await seenAs(world, box, row, way, family)
      const inside = await addressOf(box(mode), family)
      return (way === 'ping' ? (['ping'] as const) : protocols).map((what) => {
        const to = way === 'hostAddress' ? hostAddress[family] : inside
        const port = way === 'hostAddress' ? hostPort(mode) : way === 'unpublished' ? 81 : 80
        const answer = what === 'ping' ? { who: to, seen: '' } : { who: mode, seen }
        return {
          name: `${family} ${way} ${what}`,
          wish: { from: asker(row, box), what, to, port, expected: cell !== 'no' },
          answer: cell === 'no' ? undefined : answer,
        }
      })
    }),
  )
  return (await Promise.all(all)).flat()
}

function asker({ client, mode }: Row, box: Box): Wish['from'] {
  switch (client) {
    case 'remote':
      return 'lan'
    case 'host':
      return 'host'
    case 'nat':
    case 'routed':
      return box(`other-${client}`)
    case 'neighbour':
      return box(`${mode}-neighbour`)
    case 'itself':
      return box(mode)
  }
}

async function seenAs(
  world: PacketWorld,
  box: Box,
  row: Row,
  way: Way,
  family: Family,
): Promise<string> {
  const from = asker(row, box)
  const gateway = (await world.engine.network(row.mode).inspect())[family]?.gateway ?? ''
  if (row.cells[way] === 'gateway') return gateway
  if (from === 'lan') return remoteAddress[family]
  // Of its own addresses the host takes the one it asks for, or the one on the network.
  if (from === 'host') return way === 'hostAddress' ? hostAddress[family] : gateway
  if (typeof from === 'string') throw new Error(`nobody says as whom ${from} is seen`)
  return await addressOf(from, family)
}
