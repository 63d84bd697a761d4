import { describe, expect, it } from 'vitest'
import type { IpAddress } from '#dist/address/address.js'
import type { ZoneResource } from '#dist/kernel/kept-resource.js'
import type { Change } from '#dist/kernel/kernel.js'
import { linuxKernel } from '#dist/kernel/linux/index.js'
import { digAt } from '../support/dig.ts'
import { ask, startEcho } from '../support/echo.ts'
import { addressOf, engineRig } from '../support/engine-rig.ts'
import { failsAtEveryStep } from '../support/failing-steps.ts'
import { throwAwayHost, uplink } from '../support/host.ts'
import { isRunning, keeperPid, names } from '../support/keeper-rig.ts'
import { HeardEvents } from '../support/kernel-events.ts'
import { add, address, KernelRig, keeperOf, kernelRig, remove } from '../support/kernel-rig.ts'
import { namespaceOf } from '../support/names-world.ts'
import { reservation } from '../support/ports.ts'
import { eventually, openUdp, serveTcp } from '../support/sockets.ts'

const USUAL_PORT = 61053
const TABLE = 'inet cnm-zone-cnm.internal'

function zone(listen = '127.0.0.153', name = 'cnm.internal'): ZoneResource {
  return { kind: 'zone', name, listen: listen as IpAddress }
}

const one = names('api', '10.7.0.2')

/** Whether the host's programs are answered there, over both protocols. */
async function expectAnswers(
  { host }: KernelRig,
  server = '127.0.0.153',
  domain = 'cnm.internal',
): Promise<void> {
  for (const protocol of ['+notcp', '+tcp']) {
    const { answer } = await digAt(host, host.netns, server, protocol, `api.web.${domain}`, 'A')
    expect({ protocol, answer }).toEqual({ protocol, answer: ['A 10.7.0.2'] })
  }
}

/** Without the name of the process that owns a table. */
async function ruleset({ host }: Pick<KernelRig, 'host'>): Promise<string> {
  return (await host.nft('list ruleset')).replace(/ # progname .*/g, '')
}

/** What listens on the host, as `ss` tells it. */
async function sockets({ host }: KernelRig): Promise<readonly string[]> {
  const lines = (await host.sh('ss -Hnltue')).split('\n')
  return lines.flatMap((line) => {
    const found = /^(\w+) +\S+ +\d+ +\d+ +(\S+) .* ino:(\d+)/.exec(line)
    return found === null ? [] : [`${found[1]} ${found[2]} ${found[3]}`]
  })
}

describe('the zone of the host', () => {
  it.each(['127.0.0.153', '127.0.0.1', '::1'])('is asked at port 53 of %s', async (listen) => {
    await using rig = await kernelRig()
    await add(rig.kernel, zone(listen), one)
    await expectAnswers(rig, listen)
    expect(await rig.kernel.compare([zone(listen)])).toEqual([])
    await remove(rig.kernel, zone(listen))
    expect([await ruleset(rig), await sockets(rig)]).toEqual(['', []])
  })

  it('leaves port 53 to the host, and its own address to nobody', async () => {
    await using rig = await kernelRig()
    const { netns } = rig.host
    const serve = async (at: string) => {
      const udp = await openUdp(netns, at, 53)
      udp.socket.on('message', (_, peer) => udp.socket.send('theirs\n', peer.port, peer.address))
      return [udp, await serveTcp(netns, at, 53, (client) => client.end('theirs\n'))] as const
    }
    const expectTheirs = async () => {
      for (const protocol of ['tcp', 'udp'] as const) {
        expect(await ask(netns, protocol, '127.0.0.1', 53)).toBe('theirs')
      }
    }
    const before = await serve('0.0.0.0')
    await add(rig.kernel, zone(), one)
    await expectAnswers(rig)
    await expectTheirs()
    for (const each of before) await each[Symbol.asyncDispose]()
    await expectAnswers(rig)
    const after = [...(await serve('127.0.0.153')), ...(await serve('127.0.0.1'))]
    await expectAnswers(rig)
    await expectTheirs()
    for (const each of after) await each[Symbol.asyncDispose]()
  })

  it('takes other ports where its own are taken or reserved, and is in nobody’s way', async () => {
    await using rig = await kernelRig()
    const { kernel, host } = rig
    const taken = [
      await openUdp(host.netns, '0.0.0.0', USUAL_PORT),
      await serveTcp(host.netns, '127.0.0.153', USUAL_PORT, () => {}),
    ]
    await add(kernel, reservation(String(USUAL_PORT + 1)))
    await add(kernel, zone(), one)
    for (const each of taken) await each[Symbol.asyncDispose]()
    await expectAnswers(rig)
    const ours = (await sockets(rig)).map((line) => line.split(' ').slice(0, 2).join(' '))
    expect(ours.sort()).toEqual([
      `tcp 127.0.0.153:${USUAL_PORT + 2}`,
      `udp 127.0.0.153:${USUAL_PORT + 1}`,
    ])
    const ports = { from: USUAL_PORT, to: USUAL_PORT + 2 }
    const any = (['tcp', 'udp'] as const).map((protocol) => {
      return { protocol, address: '0.0.0.0' as IpAddress, ports }
    })
    expect(await kernel.holders(any)).toEqual([])
    await add(kernel, ...any.map((each) => ({ kind: 'reservation', ...each }) as const))
    await expectAnswers(rig)
  })

  it('can have another name or address, and nothing of the old one stays', async () => {
    await using rig = await kernelRig()
    await add(rig.kernel, zone(), one)
    let now = zone()
    for (const [listen, name] of [
      ['127.0.0.154', 'cnm.internal'],
      ['127.0.0.154', 'x.test'],
      ['::1', 'x.test'],
      ['127.0.0.153', 'cnm.internal'],
    ] as const) {
      const next = zone(listen, name)
      await rig.kernel.apply({ remove: [now], add: [next] })
      await expectAnswers(rig, listen, name)
      expect(await sockets(rig)).toHaveLength(2)
      expect((await ruleset(rig)).match(/^table/gm)).toHaveLength(1)
      now = next
    }
  })

  it('is as it was when a change fails, at every step', async () => {
    await using rig = await kernelRig()
    const changes: readonly Change[] = [
      { remove: [], add: [zone()] },
      { remove: [zone()], add: [zone('127.0.0.154')] },
      { remove: [zone('127.0.0.154')], add: [zone('127.0.0.154', 'x.test')] },
      { remove: [zone('127.0.0.154', 'x.test')], add: [] },
    ]
    const look = async () => [await ruleset(rig), await sockets(rig)]
    await add(rig.kernel, one)
    for (const change of changes) {
      const before = await look()
      const add = [...change.add, address('none', '10.81.0.1/24')]
      await expect(rig.kernel.apply({ ...change, add })).rejects.toThrow()
      expect(await look()).toEqual(before)
      await failsAtEveryStep(rig.kernel, change, look)
    }
    expect(await look()).toEqual(['', []])
  })
})

describe('the way to the zone', () => {
  it('is taken over from those who have died, and goes with the zone', async () => {
    await using host = await throwAwayHost()
    const open = () => linuxKernel({ host: host.netns, keeper: keeperOf(host, true) })
    for (const dies of [false, true]) {
      const first = await open()
      await add(first, zone(), one)
      await first.close()
      const before = await ruleset({ host })
      if (dies) {
        const pid = (await keeperPid(host))!
        process.kill(pid, 'SIGKILL')
        await eventually(async () => !(await isRunning(pid)))
      }
      const rig = new KernelRig(host, await open())
      const found = await rig.kernel.compare([zone()])
      expect(found.map(({ state }) => state)).toEqual(dies ? ['missing'] : [])
      await add(rig.kernel, zone(), one)
      expect(await rig.kernel.compare([zone()])).toEqual([])
      expect(await ruleset(rig)).toBe(before)
      await host.nft('flush ruleset')
      await expectAnswers(rig)
      await remove(rig.kernel, zone(), one)
      expect([await ruleset(rig), await sockets(rig)]).toEqual(['', []])
      await rig.kernel.close()
    }
  })

  it('is nobody else’s to change', async () => {
    await using rig = await kernelRig()
    await add(rig.kernel, zone(), one)
    const before = await ruleset(rig)
    await rig.host.nft('flush ruleset')
    await expect(rig.host.nft(`flush table ${TABLE}`)).rejects.toThrow()
    expect(await ruleset(rig)).toBe(before)
    await expectAnswers(rig)
  })

  it('is told and mended where others can change it, and its sockets stay', async () => {
    await using rig = await kernelRig({ persist: false })
    await using heard = await HeardEvents.of(rig.kernel)
    await add(rig.kernel, zone(), one)
    const before = [await ruleset(rig), await sockets(rig)]
    for (const [command, state, words] of [
      ['flush ruleset', 'missing', `no table ${TABLE}`],
      [`flush table ${TABLE}`, 'different', 'not as we made it'],
      [`insert rule ${TABLE} output accept`, 'different', 'not as we made it'],
      [`add rule ${TABLE} output accept`, 'different', '5 rules, not 4'],
      [`add chain ${TABLE} more`, 'different', 'is not ours'],
    ] as const) {
      heard.clear()
      await rig.host.nft(command)
      await heard.hear((it) => it.type === 'ruleset' && it.table === TABLE)
      const [difference] = await rig.kernel.compare([zone()])
      expect(difference).toMatchObject({ resource: zone(), state })
      expect(difference?.detail).toContain(words)
      await add(rig.kernel, zone())
      expect(await rig.kernel.compare([zone()])).toEqual([])
      expect([await ruleset(rig), await sockets(rig)]).toEqual(before)
      await expectAnswers(rig)
    }
  })
})

it('a sandbox can have port 53 of the host published, and the zone keeps its address', async () => {
  await using rig = await engineRig({ internet: true })
  const { host } = rig
  const cnm = await rig.start()
  const before = await host.nft('list ruleset')
  const web = await cnm.createNetwork({ name: 'web', subnets: ['10.7.0.0/24'] })
  const publish = ['53:7777', '53:7777/udp', `${USUAL_PORT}:7777/udp`]
  const box = await cnm.createSandbox({ name: 'api', connect: [{ network: 'web', publish }] })
  await using _echo = await startEcho(await namespaceOf(box))
  const expectBoth = async () => {
    for (const protocol of ['tcp', 'udp'] as const) {
      const over = `+${protocol === 'tcp' ? '' : 'no'}tcp`
      const at = ['127.0.0.153', over, 'api.web.cnm.internal'] as const
      const { answer } = await digAt(host, host.netns, ...at)
      expect([protocol, answer]).toEqual([protocol, [`A ${await addressOf(box)}`]])
      expect(await ask(host.netns, protocol, '127.0.0.1', 53)).toBe('10.7.0.1')
      expect(await ask(host.internet, protocol, uplink.address4, 53)).toBeDefined()
    }
    expect(await ask(host.netns, 'udp', '127.0.0.1', USUAL_PORT)).toBe('10.7.0.1')
    expect(await cnm.doctor()).toEqual([])
  }
  await expectBoth()
  await host.nft('flush ruleset')
  await expectBoth()
  await box.delete()
  await web.delete()
  expect(await host.nft('list ruleset')).toBe(before)
  expect(rig.problems).toEqual([])
})
