import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { Asker } from '../support/asker.ts'
import { digAt } from '../support/dig.ts'
import { ask, pings, startEcho } from '../support/echo.ts'
import { kill } from '../support/ended.ts'
import { addressOf, engineRig } from '../support/engine-rig.ts'
import type { ThrowAwayHost } from '../support/host.ts'
import { keeperOf, killKeeper } from '../support/keeper-process.ts'
import { NamesWorld, namespaceOf } from '../support/names-world.ts'
import { eventually, openUdp, serveTcp } from '../support/sockets.ts'

type Places = Readonly<Record<'api' | 'asker' | 'lone' | 'guest', Place>>
interface Place {
  readonly path: string
  readonly address: string
}

interface Started extends AsyncDisposable {
  readonly child: ChildProcess
}

/** It is killed at the end, whatever happens. */
function started(child: ChildProcess): Started {
  return { child, [Symbol.asyncDispose]: () => kill(child) }
}

/** A process with a network namespace of its own. */
async function startGuest(): Promise<Started> {
  const guest = spawn('unshare', ['--net', 'sh', '-c', 'echo ready; exec sleep 600'])
  await once(guest.stdout, 'data')
  return started(guest)
}

async function startEngine(host: ThrowAwayHost, resolvConf: string, { child: guest }: Started) {
  const program = fileURLToPath(new URL('../support/names-child.mjs', import.meta.url))
  const argv = [program, host.folder, host.netns, resolvConf, String(guest.pid)]
  const engine = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = once(engine, 'exit').then(() => ['it has ended'])
  const [said] = await Promise.race([once(engine.stdout, 'data'), ended])
  return { ...started(engine), places: JSON.parse(String(said)) as Places }
}

const countLinks = async (host: ThrowAwayHost) => (await host.ip<unknown[]>('-j link')).length

it('without an engine names, isolation and relays go on, and the next one takes over', async () => {
  await using rig = await engineRig()
  const { host } = rig
  const resolvConf = `${host.folder}/resolv.conf`
  await writeFile(resolvConf, '')
  await using guest = await startGuest()
  await using engine = await startEngine(host, resolvConf, guest)
  const { places } = engine
  const { api, asker, lone } = places
  await using asking = await Asker.open(asker.path)
  await using _echo = await startEcho(api.path)
  const again = asking.again('api', [api.address])
  await kill(engine.child)
  await host.nft('flush ruleset')

  expect(await asking.addresses('guest')).toEqual([places.guest.address])
  const over = await digAt(host, asker.path, '127.0.0.11', '+tcp', 'api')
  expect(over.answer).toEqual([`A ${api.address}`])
  const expectBothAt53 = async () => {
    for (const protocol of ['tcp', 'udp'] as const) {
      const question = [`+${protocol === 'tcp' ? '' : 'no'}tcp`, 'lone.back.cnm.internal']
      const zone = await digAt(host, host.netns, '127.0.0.153', ...question)
      expect(zone.answer).toEqual([`A ${lone.address}`])
      expect(await ask(host.netns, protocol, '127.0.0.1', 53)).toBe('10.7.0.1')
    }
  }
  await expectBothAt53()
  expect(await pings(asker.path, api.address)).toBe(true)
  expect(await pings(asker.path, lone.address)).toBe(false)
  expect(await pings(lone.path, asker.address)).toBe(false)
  expect(await ask(host.netns, 'tcp', '::1')).toBeDefined()

  // It dies, and nobody is there to see it but the keeper.
  const links = await countLinks(host)
  await kill(guest.child)
  await eventually(async () => (await countLinks(host)) === links - 1)
  await eventually(async () => (await asking.ask('guest'))?.addresses.length === 0)

  const cnm = await rig.start({ dns: { resolvConf } })
  expect((await cnm.sandboxes()).map(({ name }) => name)).toEqual(['api', 'asker', 'lone'])
  expect(await cnm.doctor()).toEqual([])
  await expectBothAt53()
  const late = await cnm.createSandbox({ name: 'late', connect: [{ network: 'web' }] })
  expect(await asking.addresses('late')).toEqual([await addressOf(late)])
  expect(await ask(host.netns, 'tcp', '::1')).toBeDefined()
  await again.stop()
  expect(again.asked).toBeGreaterThan(100)
  expect(again.wrong).toEqual([])
  expect(rig.problems).toEqual([])
})

it('a keeper that dies is followed by one that knows the same', async () => {
  await using world = await NamesWorld.start()
  const { cnm, rig } = world
  await cnm.createNetwork({ name: 'web', subnets: ['10.7.0.0/24', 'fd00:7::/64'] })
  const api = await cnm.createSandbox({
    name: 'api',
    connect: [{ network: 'web', publish: ['[::1]:7777:7777'] }],
  })
  await using asker = await Asker.open(await namespaceOf(await world.box('asker', 'web')))
  await using _echo = await startEcho(await namespaceOf(api))
  expect(await asker.addresses('api')).toEqual([await addressOf(api)])
  for (let round = 0; round < 2; round += 1) {
    await killKeeper(rig)
    await eventually(async () => (await asker.ask('api'))?.addresses[0] === (await addressOf(api)))
    await eventually(async () => (await ask(rig.host.netns, 'tcp', '::1')) !== undefined)
    await eventually(async () => (await (await api.endpoints())[0]?.inspect())?.dns === 'ready')
    const next = await world.box(`next${round}`, 'web')
    expect(await asker.addresses(`next${round}`)).toEqual([await addressOf(next)])
    expect(await cnm.doctor()).toEqual([])
  }
  // It is told, and not over and over.
  expect(rig.problems.join('\n')).toContain('keeper')
  expect(rig.problems.length).toBeLessThanOrEqual(2)
})

it('the keeper ends with its engine, unless it is to stay', async () => {
  await using world = await NamesWorld.start()
  const { cnm, rig, resolvConf } = world
  await cnm.createNetwork({ name: 'web' })
  const api = await world.box('api', 'web')
  const address = await addressOf(api)
  await using asker = await Asker.open(await namespaceOf(api))
  expect(await keeperOf(rig)).toBeDefined()
  await cnm.close()
  expect(await keeperOf(rig)).toBeUndefined()

  const options = { dns: { resolvConf }, keeper: { stay: true } }
  const staying = await rig.start(options)
  expect(await asker.addresses('api')).toEqual([address])
  const keeper = await keeperOf(rig)
  await staying.close()
  expect(await asker.addresses('api')).toEqual([address])

  const next = await rig.start({ dns: { resolvConf } })
  expect(await keeperOf(rig)).toBe(keeper)
  expect(await asker.addresses('api')).toEqual([address])
  await next.close()
  expect(await keeperOf(rig)).toBeUndefined()
})

it('beside whoever has port 53 of the host, the zone answers, and comes back after a crash', async () => {
  await using rig = await engineRig()
  const { host } = rig
  await using _any = await openUdp(host.netns, '0.0.0.0', 53)
  await using _tcp = await serveTcp(host.netns, '0.0.0.0', 53, (client) => client.end())
  const cnm = await rig.start()
  const before = await host.nft('list ruleset')
  const web = await cnm.createNetwork({ name: 'web' })
  const box = await cnm.createSandbox({ name: 'box', connect: [{ network: 'web' }] })
  const answer = async () =>
    (await digAt(host, host.netns, '127.0.0.153', 'box.web.cnm.internal')).answer
  expect(await answer()).toEqual([`A ${await addressOf(box)}`])
  await killKeeper(rig)
  await eventually(async () => (await answer())[0] === `A ${await addressOf(box)}`)
  expect(await cnm.doctor()).toEqual([])
  await box.delete()
  await web.delete()
  expect(await host.nft('list ruleset')).toBe(before)
})
