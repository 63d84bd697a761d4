import { expect, it } from 'vitest'
import { add, kernelRig, remove } from '../support/kernel-rig.ts'
import { ifb, ping, qdiscs, rate, shaped, twoBoxes } from '../support/rate-rig.ts'

it('limits a link with tbf, and one of its own for what comes in', async () => {
  await using rig = await kernelRig()
  await twoBoxes(rig)
  await add(rig.kernel, rate({ toSandbox: 10e6, fromSandbox: 50e9 }))
  const found = (await qdiscs(rig)).map(({ kind, dev, options }) => [kind, dev, options.rate])
  expect(found).toEqual(
    expect.arrayContaining([
      ['tbf', shaped, 10e6 / 8],
      ['tbf', ifb, 50e9 / 8],
      ['clsact', shaped, undefined],
    ]),
  )
  expect(found).toHaveLength(3)
  const filters = await rig.host.sh(`tc -j filter show dev ${shaped} ingress`)
  expect(filters).toContain(`"to_dev":"${ifb}"`)
  expect(await rig.host.ip(`-j -d link show ${ifb}`)).toMatchObject([
    {
      flags: expect.arrayContaining(['UP']),
      group: String(0x6b3e91c5),
      linkinfo: { info_kind: 'ifb' },
    },
  ])
  expect(await rig.host.ip(`-j addr show ${ifb}`)).toMatchObject([{ addr_info: [] }])
  await ping(rig)
})

it('changes a rate without losing the queue, and takes away a direction', async () => {
  await using rig = await kernelRig()
  const veth = await twoBoxes(rig)
  const [first, faster] = [
    rate({ toSandbox: 10e6, fromSandbox: 10e6 }),
    rate({ toSandbox: 20e6, fromSandbox: 30e6 }),
  ]
  await add(rig.kernel, first)
  await ping(rig)
  await rig.kernel.apply({ remove: [first], add: [faster] })
  const changed = await qdiscs(rig)
  expect(changed).toMatchObject([
    { dev: shaped, kind: 'tbf', options: { rate: 20e6 / 8 }, bytes: expect.any(Number) },
    { dev: shaped, kind: 'clsact' },
    { dev: ifb, kind: 'tbf', options: { rate: 30e6 / 8 } },
  ])
  // Counters begin anew with a qdisc: this one has seen the first ping.
  for (const { kind, bytes } of changed) if (kind === 'tbf') expect(bytes).toBeGreaterThan(80)
  const toOnly = rate({ toSandbox: 20e6 })
  await rig.kernel.apply({ remove: [faster], add: [toOnly] })
  expect(await qdiscs(rig)).toMatchObject([{ dev: shaped, kind: 'tbf' }])
  expect(await rig.links()).not.toContain(ifb)
  await rig.kernel.apply({ remove: [toOnly], add: [rate({ fromSandbox: 1e6 })] })
  expect(await qdiscs(rig)).toMatchObject([{ kind: 'clsact' }, { dev: ifb, kind: 'tbf' }])
  await remove(rig.kernel, veth)
  expect(await qdiscs(rig)).toEqual([])
  expect((await rig.links()).sort()).toEqual(['br-a', 'v-far'])
})

it('says what others did to it, and mends it', async () => {
  await using rig = await kernelRig()
  await twoBoxes(rig)
  const limit = rate({ toSandbox: 10e6, fromSandbox: 10e6 })
  const damages: readonly (readonly [string, string])[] = [
    [`ip link delete ${ifb}`, `no link ${ifb}`],
    [`ip link set ${ifb} down`, `${ifb} is down`],
    [`tc qdisc delete dev ${shaped} root`, `${shaped} has noqueue and not our tbf`],
    [`tc qdisc delete dev ${shaped} clsact`, `what comes in on ${shaped} isn't redirected`],
    [
      `tc qdisc change dev ${ifb} root handle 6b3e: tbf rate 5mbit burst 10000 limit 20000`,
      `${ifb} has a tbf of rate 5000000bit, not 10000000bit`,
    ],
  ]
  await add(rig.kernel, limit)
  for (const [damage, detail] of damages) {
    await rig.host.sh(damage)
    const [difference] = await rig.kernel.compare([limit])
    expect(difference).toMatchObject({ state: 'different' })
    expect(difference?.detail).toContain(detail)
    await add(rig.kernel, limit)
    expect(await rig.kernel.compare([limit])).toEqual([])
    await ping(rig)
  }
})

it('leaves the filters and qdiscs of others alone', async () => {
  await using rig = await kernelRig()
  await twoBoxes(rig)
  const limit = rate({ toSandbox: 10e6, fromSandbox: 10e6 })
  const match = 'u32 match u32 0x12345678 0xffffffff flowid 1:1'
  const theirs = `tc filter add dev ${shaped} ingress protocol ip pref 7 ${match}`
  await rig.host.sh(`tc qdisc add dev ${shaped} ingress && ${theirs}`)
  await add(rig.kernel, limit)
  await ping(rig)
  await remove(rig.kernel, limit)
  const filters = await rig.host.sh(`tc filter show dev ${shaped} ingress`)
  expect(filters).toContain('pref 7 u32')
  expect(filters).not.toContain('mirred')
  await rig.host.sh(`tc qdisc add dev ${shaped} root tbf rate 1mbit burst 5000 limit 9000`)
  await expect(add(rig.kernel, limit)).rejects.toThrow(
    `link ${shaped}: EEXIST: it has a qdisc tbf already, which isn't ours`,
  )
})

it('finds what has been left, and removes it', async () => {
  await using rig = await kernelRig()
  await twoBoxes(rig)
  await add(rig.kernel, rate({ fromSandbox: 10e6 }))
  const { links } = await rig.kernel.survey({ namespaceDir: rig.namespaceDir, tables: [] })
  expect(links).toContainEqual({ name: ifb, type: 'ifb', shapes: shaped })
  await rig.host.ip(`link delete ${shaped}`)
  expect((await rig.kernel.survey({ namespaceDir: rig.namespaceDir, tables: [] })).links).toEqual(
    expect.arrayContaining([{ name: ifb, type: 'ifb', shapes: shaped }]),
  )
  await remove(rig.kernel, { kind: 'rate', link: shaped })
  await rig.kernel.settled()
  expect((await rig.links()).sort()).toEqual(['br-a', 'v-far'])
})
