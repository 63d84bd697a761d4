import { type ChildProcess, spawn } from 'node:child_process'
import { mkdir, rm, symlink, writeFile } from 'node:fs/promises'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { HostileRig, timely } from '../support/hostile-rig.ts'
import { run } from '../support/run.ts'

let rig: HostileRig

beforeAll(async () => {
  rig = await HostileRig.start()
}, 60_000)

afterAll(async () => {
  await rig[Symbol.asyncDispose]()
})

beforeEach(async () => {
  await rig.newEvil()
})

const programs: ChildProcess[] = []

afterEach(() => {
  for (const program of programs.splice(0)) program.kill('SIGKILL')
})

/** Root in the sandbox at that path, with every capability over its network. */
async function inside(path: string, command: string, input = ''): Promise<void> {
  await rig.cnm.host.inside(path, ['sh', '-c', command], { input, timeoutMs: 50_000 })
}

const batch = (path: string, count: number, line: (n: number) => string) =>
  inside(path, 'ip -batch -', lines(count, line))

async function keepRunning(path: string, script: string): Promise<void> {
  const argv = [`--net=${path}`, 'sh', '-c', script]
  programs.push(spawn('nsenter', argv, { stdio: 'ignore', timeout: 60_000 }))
}

const lines = (count: number, line: (n: number) => string) =>
  Array.from({ length: count }, (_, n) => line(n)).join('\n')

const dotted = (n: number) => `${(n >> 16) & 255}.${(n >> 8) & 255}.${n & 255}`

type Attack = (path: string) => Promise<void>

/** So many of a kind that one look at all would take too long. */
const crowds: Readonly<Record<string, Attack>> = {
  '300,000 routes': (path) => batch(path, 300_000, (n) => `route add 11.${dotted(n)} dev eth0`),
  '11,000 routes of IPv6': (path) =>
    batch(path, 11_000, (n) => `route add fd01::${n.toString(16)}/128 dev eth0`),
  '11,000 chains': (path) =>
    inside(path, 'nft -f -', `add table inet a\n${lines(11_000, (n) => `add chain inet a c${n}`)}`),
}

/** Each for a sandbox of its own. */
const attacks: Readonly<Record<string, Attack>> = {
  'routes that come and go all the time': (path) =>
    keepRunning(path, 'while :; do ip route add 11.0.0.1 dev lo; ip route del 11.0.0.1; done'),
  'rules that come and go all the time': (path) =>
    keepRunning(path, 'while :; do nft add table inet a; nft delete table inet a; done'),
  'no link any more': (path) => inside(path, 'ip link del eth0'),
  'its link under another name': (path) =>
    inside(path, 'ip link set eth0 down; ip link set eth0 name lo1; ip link set lo1 up'),
  'another link under the name of its own': (path) =>
    inside(path, 'ip link set eth0 down; ip link set eth0 name x; ip link add eth0 type bridge'),
  'its link moved where nobody sees it': (path) =>
    keepRunning(path, 'unshare -n sleep 50 & sleep 1; ip link set eth0 netns $!; wait'),
  'links with names that nobody would give': (path) =>
    inside(
      path,
      `for name in "$(printf '\\033[31m')" '$(reboot)' "$(printf 'a\\377b')"
      do ip link add name "$name" type bridge; done`,
    ),
  'a link with the name that we would give its own': (path) =>
    inside(
      path,
      'ip link add name gone$(ip -o link show eth0 | cut -d: -f1) type bridge; ip link add name eth1 type bridge',
    ),
  'neither resolver nor loopback': (path) => inside(path, 'nft flush ruleset; ip link set lo down'),
  'other settings': (path) =>
    inside(
      path,
      `for f in /proc/sys/net/ipv4/conf/*/forwarding /proc/sys/net/ipv6/conf/*/disable_ipv6
      do echo 1 > $f; done; echo 1 > /proc/sys/net/ipv6/conf/all/forwarding`,
    ),
  '100 links': (path) => batch(path, 100, (n) => `link add name l${n} type bridge`),
  'a program that goes on': (path) => keepRunning(path, 'exec sleep 50'),
}

describe('a sandbox with', () => {
  it.each(Object.keys(crowds))(
    '%s stops nothing',
    async (name) => {
      await crowds[name]!(await rig.namespace())
      await rig.survive()
      await timely('the end of its links', () => rig.linksGo())
      await rig.doctor(true)
      expect(await rig.left()).toEqual([])
    },
    120_000,
  )

  it('what else its root can do to its namespace stops nothing', async () => {
    for (const [number, [name, attack]] of Object.entries(attacks).entries()) {
      const box = await rig.client.createSandbox({ name: `evil${number}` })
      await box.connect('web')
      const { namespace } = await box.inspect()
      await attack(namespace!.path).catch((cause: unknown) => {
        throw new Error(`no sandbox has ${name}`, { cause })
      })
    }
    await rig.survive()
    await timely('the end of their links', () => rig.linksGo())
    await rig.doctor(true)
    expect(await rig.left()).toEqual([])
  }, 120_000)

  it('an endpoint that leaves a sandbox which has taken its next name stops nothing', async () => {
    const box = rig.evil()
    const endpoint = await box.connect('back')
    const taken = 'ip link add name gone$(ip -o link show eth1 | cut -d: -f1) type bridge'
    await inside(await rig.namespace(), taken)
    await endpoint.leave()
    await (await box.connect('back')).leave()
  }, 60_000)
})

/** What root on the host may have put in place of a namespace. */
const replacements: Readonly<Record<string, (path: string) => Promise<unknown>>> = {
  'a file': (path) => writeFile(path, 'text'),
  'a folder': (path) => mkdir(path),
  'a pipe': (path) => run(['mkfifo', path]),
  'a link to itself': (path) => symlink(path, path),
  nothing: async () => {},
}

describe('a path of a namespace', () => {
  it('with something else stops nothing', async () => {
    const paths: string[] = []
    for (const [number, replace] of Object.values(replacements).entries()) {
      const box = await rig.client.createSandbox({ name: `evil${number}` })
      await box.connect('web')
      const { path } = (await box.inspect()).namespace!
      paths.push(path)
      await run(['umount', path])
      await rm(path)
      await replace(path)
    }
    await rig.survive()
    for (const path of paths) await rm(path, { recursive: true, force: true })
    await rig.doctor(true)
    expect(await rig.left()).toEqual([])
  }, 60_000)
})

describe('while there is too much to look through', () => {
  it('others go on, and it is told', async () => {
    const path = await rig.namespace()
    await batch(path, 12_000, (n) => `route add 11.${dotted(n)} dev eth0 proto 0xd3`)
    await inside(path, 'ip route del default')
    const findings = await rig.doctor()
    expect(findings.map(({ detail }) => detail).join('\n')).toContain(
      'more than 10000 links, addresses or routes',
    )
  }, 60_000)
})
