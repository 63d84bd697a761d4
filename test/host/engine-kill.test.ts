import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { engineRig } from '../support/engine-rig.ts'
import { expectPublished } from '../support/published-records.ts'

// Three of four at work, about three in each of its first 31 milliseconds; the others at the start. For a
// longer run: CNM_KILLS=1000
const kills = Number(process.env.CNM_KILLS ?? 120)
/** Ports of the host that its work asks for. */
const pool = Array.from({ length: 10 }, (_, index) => 7000 + index)
const program = fileURLToPath(new URL('../support/kill-child.mjs', import.meta.url))

it(`${kills} times killed at random, nothing is lost and nothing is left over`, {
  timeout: 60_000 + kills * 3000,
}, async () => {
  await using rig = await engineRig()
  const { folder, netns } = rig.host
  for (let kill = 0; kill < kills; kill += 1) {
    const child = spawn(process.execPath, [program, folder, netns, String(kill + 1)])
    const errors = text(child.stderr)
    const ended = once(child, 'exit')
    // It ends by that, and so does what it is told.
    child.stdin.on('error', () => {})
    // Another moment each time, every fourth time while it is still starting.
    if (kill % 4 === 3) {
      await delay(100 + ((kill * 37) % 400))
    } else {
      const recorded = await Promise.race([firstLine(child.stdout), ended.then(() => undefined)])
      if (recorded === undefined) throw new Error(`after ${kill} kills: ${await errors}`)
      await expectPublished(rig.host, JSON.parse(recorded), pool)
      child.stdin.write('go\n')
      await delay(((kill - (kill >> 2)) * 7) % 31)
    }
    child.kill('SIGKILL')
    const [code] = await ended
    if (code !== null) throw new Error(`after ${kill} kills: ${await errors}`)
  }
  const cnm = await rig.start()
  expect(await cnm.doctor()).toEqual([])
  for (const box of await cnm.sandboxes()) await box.delete()
  for (const name of ['one', 'two']) await cnm.network(name).delete()
  for (const network of (await cnm.networks()).filter(({ name }) => name.startsWith('extra')))
    await network.delete()
  await cnm.settled()
  await expectPublished(rig.host, [], pool)
  const links = await rig.host.ip<{ ifname: string }[]>('-j link')
  expect(links.map(({ ifname }) => ifname)).toEqual(['lo'])
  expect((await rig.host.nft('list ruleset')).trim()).toBe('')
})

async function firstLine(stream: Readable): Promise<string | undefined> {
  for await (const line of createInterface(stream)) return line
  return undefined
}
