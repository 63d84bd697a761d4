import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { KnownLocalSandbox } from '#dist/linux/library.js'
import { dig, digAt } from '../support/dig.ts'
import { addressOf } from '../support/engine-rig.ts'
import { NamesWorld } from '../support/names-world.ts'

/** How many endpoints have the alias `many`: their addresses fit into 1232 bytes and not into 512. */
const MANY = 40

let world: NamesWorld
/** All on `web`, except `lone` on `back`, `six` on an IPv6 network, `in` on an internal one. */
const boxes = {} as Record<
  'api' | 'second' | 'asker' | 'lone' | 'both' | 'six' | 'inner',
  KnownLocalSandbox
>

beforeAll(async () => {
  world = await NamesWorld.start()
  const { cnm } = world
  await cnm.createNetwork({ name: 'web', subnets: ['10.7.0.0/24', 'fd00:7::/64'] })
  await cnm.createNetwork({ name: 'back', subnets: ['10.8.0.0/24'] })
  await cnm.createNetwork({ name: 'sixes', ipv4: false, ipv6: true })
  await cnm.createNetwork({ name: 'inside', internal: true, subnets: ['10.9.0.0/24'] })
  boxes.api = await cnm.createSandbox({
    name: 'api',
    hostname: 'api-host',
    connect: [
      { network: 'web', aliases: ['app', 'Shop'], publish: ['8080:80'], expose: ['5353/udp'] },
    ],
  })
  const many = ['app', 'many']
  boxes.second = await cnm.createSandbox({
    name: 'second',
    connect: [{ network: 'web', aliases: many, links: ['api:database'] }],
  })
  for (let i = 1; i < MANY; i += 1)
    await cnm.createSandbox({ connect: [{ network: 'web', aliases: ['many'] }] })
  boxes.asker = await world.box('asker', 'web')
  boxes.lone = await world.box('lone', 'back')
  boxes.both = await world.box('both', 'back', 'web')
  boxes.six = await world.box('six', 'sixes')
  await world.box('seven', 'sixes')
  boxes.inner = await world.box('inner', 'inside')
  await world.box('other', 'inside')
})

afterAll(async () => {
  await world[Symbol.asyncDispose]()
})

describe('a sandbox', () => {
  it('finds an endpoint by all its names, in both families', async () => {
    const { api, asker } = boxes
    const short = api.id.slice(0, 12)
    for (const name of ['api', 'shop', 'api-host', short, 'api.web', 'shop.web', `${short}.web`]) {
      expect((await dig(asker, name)).answer, name).toEqual([`A ${await addressOf(api)}`])
      const six = await dig(asker, name, 'AAAA')
      expect(six.answer, name).toEqual([`AAAA ${await addressOf(api, 'ipv6')}`])
    }
  })

  it('finds itself, too', async () => {
    expect((await dig(boxes.api, 'api')).answer).toEqual([`A ${await addressOf(boxes.api)}`])
  })

  it('is told so by one who is sure, and for a second at most', async () => {
    const { flags, ttls, text } = await dig(boxes.asker, 'API.Web')
    expect(flags).toEqual(['qr', 'aa', 'rd', 'ra'])
    expect(ttls).toEqual([1])
    // As it was asked.
    expect(text).toMatch(/^;API\.Web\.\s+IN\s+A$/m)
  })

  it('finds names of addresses', async () => {
    const { api, asker } = boxes
    for (const family of ['ipv4', 'ipv6'] as const)
      expect((await dig(asker, '-x', await addressOf(api, family))).answer).toEqual([
        'PTR api.web.',
      ])
    const free = await dig(asker, '-x', '10.7.0.250')
    expect([free.status, free.answer]).toEqual(['NXDOMAIN', []])
  })

  it('finds services', async () => {
    const { api, asker } = boxes
    for (const [name, port] of [
      ['_http._tcp.api', 80],
      ['_80._tcp.shop', 80],
      ['_80._tcp.api.web', 80],
      ['_5353._udp.api', 5353],
    ] as const) {
      const { answer, additional } = await dig(asker, name, 'SRV')
      expect(answer, name).toHaveLength(1)
      expect(answer[0], name).toMatch(new RegExp(`^SRV \\d+ \\d+ ${port} api\\.web\\.$`))
      expect(additional, name).toContain(`api.web. A ${await addressOf(api)}`)
    }
  })

  it('gets the addresses of a common alias in changing order', async () => {
    const { api, second, asker } = boxes
    const both = [`A ${await addressOf(api)}`, `A ${await addressOf(second)}`].sort()
    const first = new Set<string | undefined>()
    for (let i = 0; i < 100 && first.size < 2; i += 1) {
      const { answer } = await dig(asker, 'app')
      expect([...answer].sort()).toEqual(both)
      first.add(answer[0])
    }
    expect(first.size).toBe(2)
  })

  it('is told what a name does not have', async () => {
    const { both, asker } = boxes
    for (const [box, name, type] of [
      [both, 'lone', 'AAAA'],
      [asker, 'api', 'MX'],
      [asker, 'api', 'TXT'],
      [asker, 'api', 'HTTPS'],
    ] as const) {
      const { status, answer, authority } = await dig(box, name, type)
      expect([status, answer], `${name} ${type}`).toEqual(['NOERROR', []])
      expect(authority.join(), `${name} ${type}`).toContain(' SOA ')
    }
  })

  it('is told that a name is none', async () => {
    const { status, authority } = await dig(boxes.inner, 'nobody')
    expect([status, authority.length]).toEqual(['NXDOMAIN', 1])
    expect(authority[0]).toContain(' SOA ')
    expect((await dig(boxes.inner, 'nobody.inside')).status).toBe('NXDOMAIN')
  })

  it('finds what is on its own networks, and no other', async () => {
    const { api, lone, both, asker } = boxes
    expect((await dig(both, 'api')).answer).toEqual([`A ${await addressOf(api)}`])
    expect((await dig(both, 'lone')).answer).toEqual([`A ${await addressOf(lone)}`])
    for (const name of ['lone', 'lone.back', 'database']) {
      expect((await dig(asker, name)).status, name).toBe('NXDOMAIN')
      // Nobody here has it, so it was asked for outside.
      expect(world.upstream.times(`${name} A`), name).toBe(1)
    }
  })

  it('calls its links as it likes', async () => {
    const { answer } = await dig(boxes.second, 'database')
    expect(answer).toEqual([`A ${await addressOf(boxes.api)}`])
  })

  it('on an IPv6 network finds addresses of that family', async () => {
    const { six } = boxes
    const seven = world.cnm.sandbox('seven')
    expect((await dig(six, 'seven', 'AAAA')).answer).toEqual([
      `AAAA ${await addressOf(seven, 'ipv6')}`,
    ])
    const four = await dig(six, 'seven', 'A')
    expect([four.status, four.answer]).toEqual(['NOERROR', []])
    expect((await dig(six, '-x', await addressOf(seven, 'ipv6'))).answer).toEqual([
      'PTR seven.sixes.',
    ])
  })

  it('on an internal network finds its peers, and nobody is asked for the rest', async () => {
    const { inner } = boxes
    const other = world.cnm.sandbox('other')
    expect((await dig(inner, 'other')).answer).toEqual([`A ${await addressOf(other)}`])
    const outside = await dig(inner, 'www.example.test')
    expect([outside.status, outside.answer]).toEqual(['REFUSED', []])
    expect(outside.errors.join()).toMatch(/^18 \(Prohibited\)/)
    expect(world.upstream.times('www.example.test A')).toBe(0)
  })

  it('knows itself as localhost, and the host', async () => {
    const { asker } = boxes
    expect((await dig(asker, 'localhost')).answer).toEqual(['A 127.0.0.1'])
    expect((await dig(asker, 'a.localhost', 'AAAA')).answer).toEqual(['AAAA ::1'])
    const { ipv4, ipv6 } = await world.cnm.network('web').inspect()
    expect((await dig(asker, 'host.internal')).answer).toEqual([`A ${ipv4?.gateway}`])
    expect((await dig(asker, 'host.internal', 'AAAA')).answer).toEqual([`AAAA ${ipv6?.gateway}`])
  })
})

describe('an answer', () => {
  it.each([
    ['without EDNS', ['+noedns']],
    ['of 512 bytes', ['+bufsize=512']],
  ])('that does not fit %s is cut, and whole over TCP', async (_, size) => {
    const cut = await dig(boxes.asker, 'many', ...size, '+ignore')
    expect(cut.flags).toContain('tc')
    // Who asks no more than that has some all the same.
    expect(new Set(cut.answer).size).toBeGreaterThanOrEqual(29)
    expect(cut.answer.length).toBeLessThan(MANY)
    expect((await dig(boxes.asker, 'many', ...size)).answer).toHaveLength(MANY)
  })

  it('that fits with EDNS comes as a whole', async () => {
    const whole = await dig(boxes.asker, 'many', '+bufsize=1232', '+ignore')
    expect([whole.flags.includes('tc'), new Set(whole.answer).size]).toEqual([false, MANY])
  })

  it('comes over TCP, one after the other on one connection', async () => {
    const { asker, api, second } = boxes
    const { text } = await dig(asker, '+tcp', '+keepopen', 'api', 'second')
    expect(text).toContain(await addressOf(api))
    expect(text).toContain(await addressOf(second))
    expect(text.match(/status: NOERROR/g)).toHaveLength(2)
  })

  it.each([
    ['BADVERS', ['+edns=1', '+noednsnegotiation', 'api']],
    ['NOTIMP', ['+opcode=notify', 'api']],
    ['REFUSED', ['-c', 'CH', 'version.bind', 'TXT']],
  ])('is %s where the question is no good', async (status, question) => {
    expect((await dig(boxes.asker, ...question)).status).toBe(status)
  })

  it('does not give whole zones away', async () => {
    expect((await dig(boxes.asker, 'web', 'AXFR')).text).toContain('Transfer failed')
  })
})

describe('the host', () => {
  const ask = (...question: readonly string[]) =>
    digAt(world.rig.host, world.rig.host.netns, '127.0.0.153', ...question)

  it('finds all endpoints below the zone, over UDP and TCP', async () => {
    const { api, lone } = boxes
    expect((await ask('api.web.cnm.internal')).answer).toEqual([`A ${await addressOf(api)}`])
    expect((await ask('+tcp', 'lone.back.cnm.internal')).answer).toEqual([
      `A ${await addressOf(lone)}`,
    ])
    const six = await ask('shop.web.cnm.internal', 'AAAA')
    expect(six.answer).toEqual([`AAAA ${await addressOf(api, 'ipv6')}`])
    expect((await ask('-x', await addressOf(lone))).answer.join()).toMatch(/^PTR lone\.back\./)
  })

  it('is refused everything else', async () => {
    expect((await ask('nobody.web.cnm.internal')).status).toBe('NXDOMAIN')
    expect((await ask('www.example.test')).status).toBe('REFUSED')
    expect((await ask('api')).status).toBe('REFUSED')
  })

  it('has the names of the zone in common with sandboxes, as far as these may know', async () => {
    const { api, asker } = boxes
    expect((await dig(asker, 'api.web.cnm.internal')).answer).toEqual([`A ${await addressOf(api)}`])
    expect((await dig(asker, 'lone.back.cnm.internal')).status).toBe('NXDOMAIN')
    expect(world.upstream.times('lone.back.cnm.internal A')).toBe(0)
  })
})
