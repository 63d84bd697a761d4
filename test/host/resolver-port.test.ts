import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { readdir, readlink } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import type { IpAddress, Prefix } from '#dist/address/address.js'
import type { Change } from '#dist/kernel/kernel.js'
import { setsockopt } from '#dist/kernel/linux/ffi/socket.js'
import { openBoundSocket } from '#dist/kernel/linux/ports/sockets.js'
import type { NamespaceRef, Resource } from '#dist/kernel/resource.js'
import { digAt } from '../support/dig.ts'
import { inNamespace } from '../support/echo.ts'
import { failsAtEveryStep } from '../support/failing-steps.ts'
import {
  add,
  address,
  type KernelRig,
  kernelRig,
  network,
  port,
  remove,
} from '../support/kernel-rig.ts'
import { connectIn, eventually, openUdp, serveTcp } from '../support/sockets.ts'

const RESOLVER = '127.0.0.11'
const USUAL_PORT = 61053

/** What makes a sandbox answer to `one.` */
function resolver(namespace: NamespaceRef): Resource[] {
  const { path } = namespace
  return [{ kind: 'resolver', namespace, sandbox: path }, names(path)]
}

function names(sandbox: string): Resource {
  return {
    kind: 'names',
    endpoint: `endpoint of ${sandbox}`,
    sandbox,
    network: { id: 'network', name: 'net' },
    names: ['one'],
    addresses: ['10.7.0.2' as IpAddress],
    subnets: ['10.7.0.0/16' as Prefix],
    services: [],
    own: {},
    outside: false,
    gateway: true,
  }
}

async function newBox(rig: KernelRig, name = 'box', ...more: Resource[]): Promise<NamespaceRef> {
  const namespace = rig.box(name)
  await add(rig.kernel, { kind: 'namespace', namespace }, ...more)
  return namespace
}

/** Somebody's namespace, in which not even `lo` is up. */
async function theirs(rig: KernelRig): Promise<NamespaceRef> {
  const path = await rig.host.createNamespace('theirs')
  await rig.host.inside(path, ['ip', 'link', 'set', 'lo', 'down'])
  return (await rig.kernel.adopt({ path })).namespace
}

/** Whether it is answered over both protocols. */
async function expectAnswers({ host }: KernelRig, { path }: NamespaceRef): Promise<void> {
  for (const protocol of ['+notcp', '+tcp']) {
    const { status, answer } = await digAt(host, path, RESOLVER, protocol, 'one', 'A')
    expect({ protocol, status, answer }).toEqual({
      protocol,
      status: 'NOERROR',
      answer: ['A 10.7.0.2'],
    })
  }
}

const ruleset = ({ host }: KernelRig, { path }: NamespaceRef) => {
  return host.inside(path, ['nft', 'list', 'ruleset'])
}

/** Sockets at the resolver's address, as `ss` tells them. */
async function sockets({ host }: KernelRig, { path }: NamespaceRef): Promise<readonly string[]> {
  const lines = (await host.inside(path, ['ss', '-Hnltue'])).split('\n')
  return lines.flatMap((line) => {
    const found = /^(\w+) .* 127\.0\.0\.11:(\d+) .* ino:(\d+)/.exec(line)
    return found === null ? [] : [`${found[1]} ${found[2]} ${found[3]}`]
  })
}

describe('the resolver of a sandbox', () => {
  for (const tracked of [false, true]) {
    it(`is asked at port 53, ${tracked ? 'and not tracked where all else is' : 'untracked'}`, async () => {
      await using rig = await kernelRig()
      const box = await newBox(rig)
      const inside = (...argv: [string, ...string[]]) => rig.host.inside(box.path, argv)
      if (tracked) {
        await inside('nft', 'add', 'table', 'ip', 'theirs')
        const chain = '{ type nat hook output priority -100; }'
        await inside('nft', `add chain ip theirs output ${chain}`)
        // A rule that asks for it switches connection tracking on.
        await inside('nft', 'add rule ip theirs output ct state new accept')
      }
      await add(rig.kernel, ...resolver(box))
      await expectAnswers(rig, box)
      const echo = await openUdp(box.path, '127.0.0.12', 7)
      await using other = await openUdp(box.path, '127.0.0.1', 7)
      other.socket.send('hello', 7, '127.0.0.12')
      await eventually(() => echo.heard.length > 0)
      await echo[Symbol.asyncDispose]()
      const seen = await inside('conntrack', '-L')
      expect(seen.includes('127.0.0.12')).toBe(tracked)
      expect(seen).not.toContain(RESOLVER)
    })
  }

  it('answers those who send no checksum', async () => {
    await using rig = await kernelRig()
    const box = await newBox(rig, 'box', ...resolver(rig.box('box')))
    const fd = inNamespace(box.path, () => {
      const request = {
        type: 'udp',
        family: 4,
        address: '127.0.0.1' as IpAddress,
        port: 0,
      } as const
      return openBoundSocket(request)
    })
    const [SOL_SOCKET, SO_NO_CHECK] = [1, 11]
    setsockopt(fd, SOL_SOCKET, SO_NO_CHECK, 1)
    const socket = createSocket('udp4')
    socket.bind({ fd })
    const query = Buffer.from('1234010000010000000000000' + '36f6e650000010001', 'hex')
    const answered = once(socket, 'message', { signal: AbortSignal.timeout(5000) })
    socket.send(query, 53, RESOLVER)
    const [message, from] = (await answered) as [Buffer, { address: string; port: number }]
    expect(message.subarray(0, 2).toString('hex')).toBe('1234')
    expect(from).toMatchObject({ address: RESOLVER, port: 53 })
    socket.close()
  })

  it('leaves port 53 to programs inside, and others to them', async () => {
    await using rig = await kernelRig()
    const box = await newBox(rig)
    const other = await newBox(rig, 'other')
    await add(
      rig.kernel,
      ...network('br-a', 7, true),
      ...port({ namespace: box, name: 'v-a', bridge: 'br-a', n: 7, number: 2, ipv6: true }),
      ...port({ namespace: other, name: 'v-b', bridge: 'br-a', n: 7, number: 3, ipv6: true }),
    )
    const serve = async () => {
      const all: AsyncDisposable[] = []
      for (const any of ['0.0.0.0', '::']) {
        const udp = await openUdp(box.path, any, 53)
        udp.socket.on('message', (_, peer) => udp.socket.send('theirs', peer.port, peer.address))
        all.push(udp, await serveTcp(box.path, any, 53, (client) => client.end('theirs')))
      }
      return all
    }
    const expectReached = async () => {
      for (const [to, from] of [
        ['10.7.0.2', '0.0.0.0'],
        ['fd00:7::2', '::'],
      ] as const) {
        const socket = await connectIn(other.path, to, 53)
        const [said] = (await once(socket, 'data')) as [Buffer]
        socket.destroy()
        await using udp = await openUdp(other.path, from, 0)
        udp.socket.send('hello', 53, to)
        await eventually(() => udp.heard.length > 0)
        expect([`${said}`, udp.heard[0]?.text]).toEqual(['theirs', 'theirs'])
      }
    }
    const before = await serve()
    await add(rig.kernel, ...resolver(box))
    await expectReached()
    await expectAnswers(rig, box)
    for (const each of before) await each[Symbol.asyncDispose]()
    await expectAnswers(rig, box)
    const after = await serve()
    await expectReached()
    await expectAnswers(rig, box)
    for (const each of after) await each[Symbol.asyncDispose]()
  })

  it('takes other ports where its own are taken', async () => {
    await using rig = await kernelRig()
    const box = await newBox(rig)
    await using _udp = await openUdp(box.path, '0.0.0.0', USUAL_PORT)
    await using _tcp = await serveTcp(box.path, RESOLVER, USUAL_PORT, (client) => client.end())
    await using _next = await serveTcp(box.path, '0.0.0.0', USUAL_PORT + 1, (client) =>
      client.end(),
    )
    await add(rig.kernel, ...resolver(box))
    await expectAnswers(rig, box)
    const ours = (await sockets(rig, box)).map((line) => line.split(' ').slice(0, 2).join(' '))
    expect(ours).toEqual(expect.arrayContaining([`udp ${USUAL_PORT + 1}`, `tcp ${USUAL_PORT + 2}`]))
  })

  it('comes to a namespace of somebody else, and leaves it as it was', async () => {
    await using rig = await kernelRig()
    const box = await theirs(rig)
    await add(rig.kernel, ...resolver(box))
    await expectAnswers(rig, box)
    await remove(rig.kernel, ...resolver(box))
    expect(await ruleset(rig, box)).toBe('')
    expect(await sockets(rig, box)).toEqual([])
    await remove(rig.kernel, ...resolver(box))
    await add(rig.kernel, ...resolver(box))
    await expectAnswers(rig, box)
  })
})

describe('the way to a resolver', () => {
  it('is mended, and its sockets stay', async () => {
    await using rig = await kernelRig()
    const box = await newBox(rig, 'box', ...resolver(rig.box('box')))
    const before = await sockets(rig, box)
    expect(before).toHaveLength(2)
    const wanted = await ruleset(rig, box)
    const [resource] = resolver(box)
    for (const [command, state, words] of [
      ['flush ruleset', 'missing', `no table ip cnm-resolver in ${box.path}`],
      ['flush table ip cnm-resolver', 'different', 'not as we made it'],
      ['insert rule ip cnm-resolver output accept', 'different', 'not as we made it'],
      ['add chain ip cnm-resolver more', 'different', 'not as we made it'],
    ] as const) {
      await rig.host.inside(box.path, ['nft', command])
      const [difference] = await rig.kernel.compare(resolver(box))
      expect(difference).toMatchObject({ resource, state })
      expect(difference?.detail).toContain(words)
      await add(rig.kernel, ...resolver(box))
      expect(await rig.kernel.compare(resolver(box))).toEqual([])
      expect(await ruleset(rig, box)).toBe(wanted)
      expect(await sockets(rig, box)).toEqual(before)
      await expectAnswers(rig, box)
    }
  })

  it('is found again where other ports were taken', async () => {
    await using rig = await kernelRig()
    const box = await newBox(rig)
    const taken = await openUdp(box.path, '0.0.0.0', USUAL_PORT)
    await add(rig.kernel, ...resolver(box))
    await taken[Symbol.asyncDispose]()
    await rig.host.inside(box.path, ['nft', 'flush', 'ruleset'])
    await add(rig.kernel, ...resolver(box))
    await expectAnswers(rig, box)
  })

  it('is as it was when a change fails, at every step', async () => {
    await using rig = await kernelRig()
    const box = await theirs(rig)
    await rig.host.inside(box.path, ['ip', 'link', 'set', 'lo', 'up'])
    const all = resolver(box)
    const changes: readonly (readonly [Change, string | undefined])[] = [
      [{ remove: [], add: all }, undefined],
      [{ remove: [], add: all }, 'insert rule ip cnm-resolver output accept'],
      [{ remove: [], add: all }, 'flush ruleset'],
      [{ remove: all, add: [] }, undefined],
    ]
    const look = async () => [await ruleset(rig, box), await sockets(rig, box)]
    for (const [change, damage] of changes) {
      if (damage !== undefined) await rig.host.inside(box.path, ['nft', damage])
      const before = await look()
      const add = [...change.add, address('none', '10.81.0.1/24')]
      await expect(rig.kernel.apply({ ...change, add })).rejects.toThrow()
      expect(await look()).toEqual(before)
      await failsAtEveryStep(rig.kernel, change, look)
      expect(await look()).not.toEqual(before)
    }
  })
})

describe('what is prepared for sandboxes to come', () => {
  it('is nothing that one without a resolver keeps', async () => {
    await using rig = await kernelRig()
    for (const [index, has] of [true, true, false, false, true].entries()) {
      const namespace = rig.box(`box-${index}`)
      const box = await newBox(rig, `box-${index}`, ...(has ? resolver(namespace) : []))
      if (has) await expectAnswers(rig, box)
      else expect([await ruleset(rig, box), await sockets(rig, box)]).toEqual(['', []])
    }
  })

  it('is closed when nobody needs it', async () => {
    const before = await openSockets()
    const rig = await kernelRig()
    try {
      for (const name of ['first', 'second']) await newBox(rig, name, ...resolver(rig.box(name)))
      await rig.kernel.view()
    } finally {
      await rig[Symbol.asyncDispose]()
    }
    expect(await openSockets()).toBe(before)
  })

  it('keeps no sandbox, and neither does its resolver', async () => {
    await using rig = await kernelRig()
    const all: Resource[] = []
    for (const name of ['first', 'second', 'third']) {
      const namespace = rig.box(name)
      all.push({ kind: 'namespace', namespace }, ...resolver(namespace))
      await newBox(rig, name, ...resolver(namespace))
      const program = await rig.kernel.spawn(namespace, { argv: ['sleep', '60'], stdio: 'pipe' })
      const peer = `type veth peer name inside netns ${program.pid}`
      await rig.host.ip(`link add witness-${name} ${peer}`)
      program.kill('SIGKILL')
      await program.ended
    }
    await rig.kernel.apply({ remove: all, add: [address('none', '10.81.0.1/24')] }).then(
      () => expect.unreachable(),
      () => {},
    )
    await expectAnswers(rig, rig.box('third'))
    await remove(rig.kernel, ...all)
    await eventually(async () => (await rig.links()).length === 0)
  })
})

/** Of this process. */
async function openSockets(): Promise<number> {
  let count = 0
  for (const fd of await readdir('/proc/self/fd')) {
    const target = await readlink(`/proc/self/fd/${fd}`).catch(() => '')
    if (target.startsWith('socket:') || target.startsWith('net:')) count += 1
  }
  return count
}
