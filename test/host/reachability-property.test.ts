import { expect, it } from 'vitest'
import { packetWorld, servedPorts, type Wish } from '../support/packet-world.ts'
import { protocols } from '../support/packets.ts'
import { RandomWorld } from '../support/random-world.ts'
import {
  type Asked,
  type Client,
  type Expected,
  expectedAnswer,
  families,
  hostAddresses,
} from '../support/reachability-oracle.ts'

// Random things are done to an engine; after each, what answers is what should. To see one sequence again:
// CNM_REACHABILITY_SEED=17 CNM_REACHABILITY_SEQUENCES=1

const firstSeed = Number(process.env.CNM_REACHABILITY_SEED ?? 1)
const sequences = Number(process.env.CNM_REACHABILITY_SEQUENCES ?? 15)
const stepsEach = 12
/** Of what should be as it was before the step, so many are tried again. */
const samples = 100
const atOnce = 3

it(`after each of ${stepsEach} random steps everybody reaches whom he should, ${sequences} times`, {
  timeout: 60_000 + sequences * 20_000,
}, async () => {
  const seeds = Array.from({ length: sequences }, (_, index) => firstSeed + index)
  const next = async () => {
    for (let seed = seeds.shift(); seed !== undefined; seed = seeds.shift()) await trySeed(seed)
  }
  const ends = await Promise.allSettled(Array.from({ length: atOnce }, next))
  expect(ends.flatMap((end) => (end.status === 'rejected' ? [end.reason] : []))).toEqual([])
})

async function trySeed(seed: number): Promise<void> {
  await using world = await packetWorld({
    callIptables: seed % 2 === 0 ? 0 : 1,
    forwards: seed % 4 < 2,
  })
  const random = new RandomWorld(world, seed)
  await random.setUp()
  const before = new Map<string, string>()
  for (let step = 0; step < stepsEach; step += 1) {
    const count = random.steps.length
    try {
      while (random.steps.length === count) await random.step()
      await observe(random, before)
    } catch (error) {
      const told = [`with seed ${seed}, after`, ...random.steps].join('\n  ')
      throw new Error(`${told}\n${(error as Error).message}`, { cause: error })
    }
  }
}

/** Tries all that should have changed, and some of the rest. */
async function observe(random: RandomWorld, before: Map<string, string>): Promise<void> {
  const known = questions(random).flatMap((asked) => {
    const expected = expectedAnswer(random.endpoints, asked)
    return expected === 'unknown' ? [] : [{ asked, expected }]
  })
  const name = ({ asked }: { asked: Asked }) => JSON.stringify(asked)
  const is = ({ expected }: { expected: Expected }) => JSON.stringify(expected)
  const changed = known.filter(
    (one) => (before.get(name(one)) ?? is({ expected: 'no' })) !== is(one),
  )
  const same = known.filter((one) => !changed.includes(one))
  const tried = [...changed]
  while (tried.length < changed.length + samples && same.length > 0) {
    tried.push(...same.splice(random.below(same.length), 1))
  }
  const found = await Promise.all(
    tried.map(async ({ asked, expected }) => {
      const answer = await random.world.ask(wishOf(random, asked, expected))
      return answer ?? 'no'
    }),
  )
  const wrong = tried.flatMap((one, index) =>
    JSON.stringify(found[index]) === is(one) ? [] : [{ ...one, found: found[index] }],
  )
  expect(wrong).toEqual([])
  before.clear()
  for (const one of known) before.set(name(one), is(one))
}

function questions({ boxes, endpoints }: RandomWorld): Asked[] {
  const clients: Client[] = ['lan', 'host', ...boxes.map((box) => ({ box }))]
  const about = (asked: Omit<Asked, 'what' | 'port'>): Asked[] =>
    protocols.flatMap((what) => servedPorts.map((port) => ({ ...asked, what, port })))
  return clients.flatMap((client) =>
    families.flatMap((family) => [
      ...endpoints.flatMap(({ addresses }) => {
        const to = addresses[family]
        if (to === undefined) return []
        return [
          { client, family, to, what: 'ping' as const, port: 0 },
          ...about({ client, family, to }),
        ]
      }),
      // A sandbox that asks for a loopback address means its own.
      ...hostAddresses[family]
        .filter((to) => typeof client === 'string' || !isLoopback(to))
        .flatMap((to) => about({ client, family, to })),
    ]),
  )
}

const isLoopback = (address: string) => address === '127.0.0.1' || address === '::1'

function wishOf({ world }: RandomWorld, asked: Asked, expected: Expected): Wish {
  const { client, what, to, port } = asked
  const from = typeof client === 'string' ? client : world.engine.sandbox(client.box)
  return { from, what, to, port, expected: expected !== 'no' }
}
