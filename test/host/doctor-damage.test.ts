import { expect, it, onTestFailed } from 'vitest'
import { connectController, type RemoteController } from '#dist/client/client.js'
import { Chance } from '../support/chance.ts'
import { damage } from '../support/chaos-damage.ts'
import { expectAgreement } from '../support/chaos-verdict.ts'
import { cliHost } from '../support/cli-host.ts'
import { killKeeper } from '../support/keeper-process.ts'

const seed = Number(process.env.CNM_CHAOS_SEED ?? 20_261)
const rounds = Number(process.env.CNM_DAMAGE_ROUNDS ?? 40)

it(`doctor mends whatever was done by hand, ${rounds} times (seed ${seed})`, {
  timeout: 60_000 + rounds * 2000,
}, async () => {
  await using cnm = await cliHost({ internet: true })
  await cnm.daemon()
  await using client = await connectController({ socket: cnm.socket })
  const chance = new Chance(seed)
  await populate(client, chance)
  const deeds: string[] = []
  onTestFailed(() => console.log(deeds.join('\n')))
  for (let round = 1; round <= rounds; round += 1) {
    deeds.push(`round ${round}`)
    for (let n = 1 + chance.below(3); n > 0; n -= 1) deeds.push(await damage(cnm, chance))
    if (chance.once(4)) {
      await killKeeper(cnm)
      deeds.push('keeper killed')
    }
    await client.doctor({ fix: true })
    expect(await client.doctor()).toEqual([])
  }
  await expectAgreement(cnm, client)
})

/** Sandboxes on networks of every kind. */
async function populate(client: RemoteController, chance: Chance): Promise<void> {
  const networks = [
    await client.createNetwork({ name: 'plain' }),
    await client.createNetwork({ name: 'both', ipv6: true }),
    await client.createNetwork({ name: 'alone', options: { icc: false } }),
    await client.createNetwork({ name: 'inner', internal: true }),
  ]
  for (let index = 0; index < 8; index += 1) {
    const box = await client.createSandbox({ name: `box${index}` })
    for (const network of networks.filter(() => chance.once(2))) {
      const publish = network.name === 'inner' ? [] : ['80', '127.0.0.1::81/udp']
      const rate = chance.once(4) ? { toSandbox: '100mbit', fromSandbox: '50mbit' } : {}
      await box.connect(network, { publish, rate })
    }
  }
}
