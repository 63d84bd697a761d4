import { expect, it, vi } from 'vitest'
import type { EngineOptions, LocalController } from '#dist/linux/library.js'
import { ask, startEcho } from '../support/echo.ts'
import { addressOf, type EngineRig, engineRig, reaches } from '../support/engine-rig.ts'
import { type ThrowAwayHost, uplink } from '../support/host.ts'

// Hosts on which somebody else filters what is forwarded: Docker, iptables of both kinds, ufw, firewalld.

const rule = '-A DOCKER-USER -m mark --mark 0x1000000/0x1000000 -m comment --comment cnm -j ACCEPT'

/** What dockerd does at its start, as far as others notice. */
const docker = (command: string) => `
${command} -P FORWARD DROP
${command} -N DOCKER-USER
${command} -A DOCKER-USER -j RETURN
${command} -I FORWARD -j DOCKER-USER`

async function filter(host: ThrowAwayHost, script: string): Promise<string> {
  // The lock of legacy iptables is a file of the machine's, not of the namespace.
  return host.sh(`set -e; export XTABLES_LOCKFILE=${host.folder}/xtables.lock\n${script}`)
}

/** Bridged packets pass the rules for routed ones, too: what is on one bridge is filtered by them. */
const bridged =
  'for f in iptables ip6tables; do echo 1 > /proc/sys/net/bridge/bridge-nf-call-$f; done'

async function scene(rig: EngineRig, options: EngineOptions = {}) {
  await rig.host.sh(bridged)
  const cnm = await rig.start(options)
  await cnm.createNetwork({ name: 'web', ipv6: true })
  const make = (publish: string[]) => cnm.createSandbox({ connect: [{ network: 'web', publish }] })
  const [a, b] = [await make([]), await make(['7777:7777'])]
  /** With each other, with the internet, and the internet with a published port. */
  const talks = async () => {
    await using _ = await startEcho((await b.inspect()).namespace!.path)
    const published = async (address: string) =>
      (await ask(rig.host.internet, 'tcp', address)) !== undefined
    // All at once: that nothing comes back takes its time.
    return await Promise.all([
      reaches(a, await addressOf(b)),
      reaches(a, await addressOf(b, 'ipv6')),
      reaches(a, uplink.gateway4),
      reaches(a, uplink.gateway6),
      published(uplink.address4),
      published(uplink.address6),
    ])
  }
  return { cnm, a, b, talks }
}

async function blocked(cnm: LocalController) {
  return (await cnm.doctor()).filter(({ kind }) => kind === 'blocked')
}

it('passes with a rule in DOCKER-USER, one in each family', async () => {
  await using rig = await engineRig({ internet: true })
  await filter(rig.host, docker('iptables-nft') + docker('ip6tables-nft'))
  const { cnm, talks } = await scene(rig)
  expect(await talks()).toEqual([true, true, true, true, true, true])
  for (const command of ['iptables-nft', 'ip6tables-nft']) {
    expect(await filter(rig.host, `${command} -S DOCKER-USER`)).toBe(
      `-N DOCKER-USER\n${rule}\n-A DOCKER-USER -j RETURN\n`,
    )
  }
  expect(await cnm.doctor()).toEqual([])
  // Another network asks for nothing more; the last one takes it all away.
  const second = await cnm.createNetwork({ name: 'second' })
  expect(await filter(rig.host, 'iptables-nft -S DOCKER-USER | grep -c cnm')).toBe('1\n')
  await second.delete()
  for (const box of await cnm.sandboxes()) await box.delete()
  await cnm.network('web').delete()
  for (const command of ['iptables-nft', 'ip6tables-nft']) {
    expect(await filter(rig.host, `${command} -S DOCKER-USER`)).toBe(
      '-N DOCKER-USER\n-A DOCKER-USER -j RETURN\n',
    )
  }
})

it('asks nobody if it is told so, and doctor names what is in the way', async () => {
  await using rig = await engineRig({ internet: true })
  await filter(rig.host, docker('iptables-nft') + docker('ip6tables-nft'))
  const { cnm, talks } = await scene(rig, { coexist: 'off' })
  expect(await talks()).toEqual([false, false, false, false, false, false])
  const found = await blocked(cnm)
  expect(found.map(({ detail }) => detail)).toEqual([
    expect.stringContaining('chain ip filter FORWARD'),
    expect.stringContaining('chain ip6 filter FORWARD'),
  ])
  // What it names does help.
  for (const { remedy } of found) await filter(rig.host, remedy ?? 'false')
  // Who has missed a neighbour asks for it again once a second.
  await expect.poll(talks, { timeout: 10_000 }).toEqual([true, true, true, true, true, true])
  expect(await blocked(cnm)).toEqual([])
})

it('puts its rule back when others flush', async () => {
  await using rig = await engineRig({ internet: true })
  await filter(rig.host, docker('iptables-nft'))
  const { cnm, a, b } = await scene(rig)
  const isThere = () => filter(rig.host, 'iptables-nft -S DOCKER-USER')
  await filter(rig.host, 'iptables-nft -F DOCKER-USER')
  await vi.waitFor(async () => expect(await isThere()).toContain(rule), 5000)
  // Everything of everybody, and what a restart of dockerd makes anew.
  for (const flush of ['iptables-nft -F; iptables-nft -X DOCKER-USER', 'nft flush ruleset']) {
    await filter(rig.host, flush + docker('iptables-nft'))
    await vi.waitFor(async () => expect(await isThere()).toContain(rule), 5000)
    expect(await reaches(a, await addressOf(b))).toBe(true)
    expect(await reaches(a, uplink.gateway4)).toBe(true)
  }
  expect(await cnm.doctor()).toEqual([])
  expect(rig.problems).toEqual([])
})

it('asks Docker as soon as it comes', async () => {
  await using rig = await engineRig({ internet: true })
  const { cnm, talks } = await scene(rig)
  expect(await talks()).toEqual([true, true, true, true, true, true])
  await filter(rig.host, docker('iptables-nft'))
  await vi.waitFor(
    async () => expect(await filter(rig.host, 'iptables-nft -S DOCKER-USER')).toContain(rule),
    5000,
  )
  expect(await talks()).toEqual([true, true, true, true, true, true])
  expect(await cnm.doctor()).toEqual([])
})

it('gives up, and says so, where somebody never stops', async () => {
  await using rig = await engineRig()
  await filter(rig.host, docker('iptables-nft'))
  await scene(rig)
  const count = async () =>
    Number(await filter(rig.host, 'iptables-nft -S DOCKER-USER | grep -c cnm || true'))
  for (let n = 0; n < 5; n += 1) {
    await vi.waitFor(async () => expect(await count()).toBe(1), 5000)
    await filter(rig.host, 'iptables-nft -F DOCKER-USER')
  }
  await vi.waitFor(async () => expect(await count()).toBe(1), 5000)
  await filter(rig.host, 'iptables-nft -F DOCKER-USER')
  await vi.waitFor(() => expect(rig.problems).toHaveLength(1), 5000)
  expect(String(rig.problems[0])).toContain('consent:ip')
  expect(await count()).toBe(0)
})

const cases: readonly (readonly [string, string, RegExp])[] = [
  ['a policy of iptables-nft', 'iptables-nft -P FORWARD DROP', /^iptables -I FORWARD /],
  [
    'a last rule of iptables-nft',
    'iptables-nft -A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT; iptables-nft -A FORWARD -j REJECT',
    /^iptables -I FORWARD /,
  ],
  [
    'a policy of legacy iptables',
    'iptables-legacy -P FORWARD DROP',
    /^iptables-legacy -I FORWARD /,
  ],
  [
    'a last rule in a chain of legacy iptables',
    'iptables-legacy -N last; iptables-legacy -A last -j DROP; iptables-legacy -A FORWARD -p udp -j RETURN; iptables-legacy -A FORWARD -g last',
    /^iptables-legacy -I FORWARD /,
  ],
  ['Docker with legacy iptables', docker('iptables-legacy'), /^iptables-legacy -I DOCKER-USER /],
  [
    'rules of nftables',
    'nft add table inet site; nft "add chain inet site routed { type filter hook forward priority 10; }"; nft add rule inet site routed ct state established accept; nft add rule inet site routed reject',
    /^nft insert rule inet site routed meta mark and 0x1000000 == 0x1000000 accept$/,
  ],
]

it.for(cases)('doctor names %s, and what mends it', async ([_, script, remedy], { skip }) => {
  await using rig = await engineRig({ internet: true })
  if (script.includes('legacy')) {
    const works = await filter(rig.host, 'iptables-legacy -S').catch(() => undefined)
    if (works === undefined) skip('this kernel has no legacy iptables')
  }
  const { cnm, a } = await scene(rig)
  const goesOut = () => reaches(a, uplink.gateway4)
  await filter(rig.host, script)
  expect(await goesOut()).toBe(false)
  const [finding, ...rest] = await blocked(cnm)
  expect(rest).toEqual([])
  expect(finding?.remedy).toMatch(remedy)
  const alias = finding!.remedy!.replace(/^iptables /, 'iptables-nft ')
  await filter(rig.host, alias)
  expect(await goesOut()).toBe(true)
  expect(await blocked(cnm)).toEqual([])
})

// What these programs write, as far as it matters here; and what their own commands add to it.
const programs = [
  {
    name: 'ufw',
    script: `iptables-nft -P FORWARD DROP
for chain in ufw-before-forward ufw-user-forward; do iptables-nft -N $chain; done
iptables-nft -A FORWARD -j ufw-before-forward
iptables-nft -A ufw-before-forward -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
iptables-nft -A ufw-before-forward -j ufw-user-forward`,
    remedy: (bridge: string) =>
      `ufw route allow in on ${bridge} out on ${uplink.link} && ufw route allow out on ${bridge}`,
    effect: (bridge: string) => `for way in "-i ${bridge} -o ${uplink.link}" "-o ${bridge}"; do
iptables-nft -A ufw-user-forward $way -j ACCEPT; done`,
  },
  {
    name: 'firewalld',
    script: `nft -f - <<'END'
table inet firewalld {
  chain filter_FORWARD {
    type filter hook forward priority 10; policy accept;
    ct state { established, related } accept
    ct status dnat accept
    iifname "lo" accept
    jump filter_FORWARD_ZONES
    reject with icmpx type admin-prohibited
  }
  chain filter_FORWARD_ZONES { goto filter_FWD_public; }
  chain filter_FWD_public { meta l4proto 254 accept; }
  chain filter_FWD_trusted { accept; }
}
END`,
    remedy: (bridge: string) =>
      `firewall-cmd --permanent --zone=trusted --add-interface=${bridge} && firewall-cmd --reload`,
    effect: (bridge: string) =>
      `nft insert rule inet firewalld filter_FORWARD_ZONES iifname ${bridge} goto filter_FWD_trusted`,
  },
]

it.each(programs)('doctor knows $name', async ({ script, remedy, effect }) => {
  await using rig = await engineRig({ internet: true })
  const { cnm, a } = await scene(rig)
  const name = `br-${cnm.now.network('web').id.slice(0, 10)}`
  expect(await reaches(a, uplink.gateway4)).toBe(true)
  await filter(rig.host, script)
  expect(await reaches(a, uplink.gateway4)).toBe(false)
  expect((await blocked(cnm)).map((finding) => finding.remedy)).toEqual([remedy(name)])
  await filter(rig.host, effect(name))
  expect(await reaches(a, uplink.gateway4)).toBe(true)
  expect(await blocked(cnm)).toEqual([])
})
