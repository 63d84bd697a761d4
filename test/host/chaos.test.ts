import { expect, it, onTestFailed } from 'vitest'
import { connectController } from '#dist/client/client.js'
import { Chance } from '../support/chance.ts'
import { ChaosClient } from '../support/chaos-client.ts'
import { ChaosDaemon } from '../support/chaos-daemon.ts'
import { Promises } from '../support/chaos-promises.ts'
import { expectAgreement } from '../support/chaos-verdict.ts'
import { type CliHost, cliHost } from '../support/cli-host.ts'
import { hostState } from '../support/host-state.ts'

// For a longer run, with chances of its own: make soak. A seed repeats what was done, but not just when.
const seconds = Number(process.env.CNM_CHAOS_SECONDS ?? 12)
const seed = Number(process.env.CNM_CHAOS_SEED ?? 718_369)

/** Eight clients at work while the daemon and the machine are harmed. At the end the daemon is there. */
async function chaos(cnm: CliHost, promises: Promises): Promise<void> {
  const until = AbortSignal.timeout(seconds * 1000)
  const clients = Array.from({ length: 8 }, (_, index) => {
    return new ChaosClient(cnm.socket, seed + 1 + index, promises)
  })
  const done = () => countsOf(clients).done ?? 0
  const daemon = new ChaosDaemon(cnm, new Chance(seed), done)
  onTestFailed(() => console.log(daemon.deeds.join('\n')))
  await Promise.all([daemon.run(until), ...clients.map((client) => client.run(until))])
  const { kills } = daemon
  const counts = JSON.stringify(countsOf(clients))
  console.log(`seed ${seed}: ${kills} kills, ${promises.given} addresses, ${counts}`)
  expect([...daemon.failures, ...clients.flatMap(({ failures }) => failures)]).toEqual([])
  expect(kills).toBeGreaterThan(0)
  expect(done()).toBeGreaterThan(0)
}

function countsOf(clients: readonly ChaosClient[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {}
  for (const { outcomes } of clients) {
    for (const [code, count] of outcomes) counts[code] = (counts[code] ?? 0) + count
  }
  return counts
}

it(`in ${seconds} s of chaos nothing is lost, doubled or left over (seed ${seed})`, {
  timeout: 60_000 + seconds * 1500,
}, async () => {
  await using cnm = await cliHost({ internet: true })
  const before = await hostState(cnm.host)
  const promises = new Promises()
  await chaos(cnm, promises)
  await using client = await connectController({ socket: cnm.socket })
  await client.doctor({ fix: true })
  expect(await client.doctor()).toEqual([])
  await promises.expectKept(client)
  expect(promises.broken).toEqual([])
  await expectAgreement(cnm, client)
  await client.down()
  await expect.poll(() => hostState(cnm.host)).toEqual(before)
})
