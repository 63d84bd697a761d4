import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { expect, it, vi } from 'vitest'
import { type EngineRig, engineRig, reaches } from '../support/engine-rig.ts'
import { uplink } from '../support/host.ts'

// Where our rule is in DOCKER-USER: behind those of the administrator, whoever writes when and what.

const rule = '-A DOCKER-USER -m mark --mark 0x1000000/0x1000000 -m comment --comment cnm -j ACCEPT'
const theirs = '-A DOCKER-USER -i other -j DROP'
const end = '-A DOCKER-USER -j RETURN'
const commands = ['iptables-nft', 'ip6tables-nft']

/** What dockerd makes at its start; before version 28 with a RETURN. */
const docker = (...rules: readonly string[]) => [
  '-P FORWARD DROP',
  '-N DOCKER-USER',
  '-I FORWARD -j DOCKER-USER',
  ...rules,
]

/** Of both families. */
const filter = (rig: EngineRig, ...rules: readonly string[]) =>
  rig.host.sh(commands.flatMap((command) => rules.map((each) => `${command} ${each}`)).join(' && '))

async function expectListed(rig: EngineRig, ...rules: readonly string[]): Promise<void> {
  for (const command of commands) {
    const lines = (await rig.host.sh(`${command} -S DOCKER-USER`)).trim().split('\n')
    expect(lines).toEqual(['-N DOCKER-USER', ...rules])
  }
}

const becomes = (rig: EngineRig, ...rules: readonly string[]) =>
  vi.waitFor(() => expectListed(rig, ...rules), 10_000)

async function scene(rig: EngineRig) {
  const cnm = await rig.start()
  await cnm.createNetwork({ name: 'web', ipv6: true })
  return { cnm, box: await cnm.createSandbox({ connect: [{ network: 'web' }] }) }
}

const commented = '-A DOCKER-USER -m comment --comment end -j RETURN'
const some = '-A DOCKER-USER -i lo -j RETURN'
const situations = [
  { name: 'an empty chain', before: [], after: [rule] },
  { name: 'a final RETURN', before: [end], after: [rule, end] },
  { name: 'a rule of the administrator', before: [theirs], after: [theirs, rule] },
  { name: 'a rule and a RETURN', before: [theirs, end], after: [theirs, rule, end] },
  { name: 'a RETURN before all', before: [end, theirs], after: [rule, end, theirs] },
  {
    name: 'a RETURN with a comment',
    before: [theirs, commented],
    after: [theirs, rule, commented],
  },
  { name: 'a RETURN for some packets', before: [some], after: [some, rule] },
] as const

it.each(situations)('finds its place: $name', async ({ before, after }) => {
  await using rig = await engineRig({ internet: true })
  await filter(rig, ...docker(...before))
  const { cnm, box } = await scene(rig)
  await expectListed(rig, ...after)
  expect(await reaches(box, uplink.gateway4)).toBe(true)
  expect(await reaches(box, uplink.gateway6)).toBe(true)
  expect(await cnm.doctor()).toEqual([])
  await box.delete()
  await cnm.network('web').delete()
  await expectListed(rig, ...before)
})

it('lets the administrator forbid what it would accept, whoever came first', async () => {
  await using rig = await engineRig({ internet: true })
  const forbid = `-A DOCKER-USER -o ${uplink.link} -j DROP`
  await filter(rig, ...docker(forbid))
  const { cnm, box } = await scene(rig)
  const out = () =>
    Promise.all([uplink.gateway4, uplink.gateway6].map((address) => reaches(box, address)))
  expect(await out()).toEqual([false, false])
  await filter(rig, forbid.replace('-A', '-D'))
  expect(await out()).toEqual([true, true])
  await filter(rig, forbid)
  await becomes(rig, forbid, rule)
  expect(await out()).toEqual([false, false])
  expect(rig.problems).toEqual([])
  // Before a RETURN nothing has to be moved, and what is behind it is never reached.
  await filter(rig, end, theirs)
  await becomes(rig, forbid, rule, end, theirs)
  expect((await cnm.doctor()).map(({ kind }) => kind)).toEqual(['blocked', 'blocked'])
  await filter(rig, forbid.replace('-A', '-D'))
  expect(await cnm.doctor()).toEqual([])
})

/** What `nft monitor` tells while something is done, one list for each transaction. */
async function transactions(rig: EngineRig, work: () => Promise<void>): Promise<string[][]> {
  const argv = [`--net=${rig.host.netns}`, 'stdbuf', '-oL', 'nft', 'monitor']
  const monitor = spawn('nsenter', argv, { stdio: ['ignore', 'pipe', 'inherit'] })
  const heard: string[][] = []
  const open: string[] = []
  createInterface(monitor.stdout).on('line', (line) => {
    if (!line.startsWith('# new generation')) open.push(line)
    else heard.push(open.splice(0))
  })
  try {
    const hears = async (table: string) => {
      await rig.host.nft(`add table ip ${table}`)
      await rig.host.nft(`delete table ip ${table}`)
      expect(heard.flat()).toContain(`delete table ip ${table}`)
    }
    await vi.waitFor(() => hears('begin'), 10_000)
    heard.length = 0
    await work()
    await vi.waitFor(() => hears('end'), 10_000)
    return heard
  } finally {
    monitor.kill()
  }
}

it('moves the rule of an earlier version, in one step', async () => {
  await using rig = await engineRig({ internet: true })
  await filter(rig, ...docker(theirs))
  const first = await rig.start()
  await first.createNetwork({ name: 'web', ipv6: true })
  await first.close()
  // That one's was at the beginning.
  await filter(rig, '-D DOCKER-USER 2', rule.replace('-A', '-I'))
  await expectListed(rig, rule, theirs)
  let cnm: Awaited<ReturnType<EngineRig['start']>> | undefined
  const all = await transactions(rig, async () => {
    cnm = await rig.start()
  })
  await expectListed(rig, theirs, rule)
  expect(await cnm?.doctor()).toEqual([])
  const moves = all
    .map((lines) => lines.filter((line) => line.includes('DOCKER-USER')))
    .filter((lines) => lines.length > 0)
  expect(moves.map((lines) => lines.map((line) => line.split(' ')[0]).sort())).toEqual([
    ['add', 'delete'],
    ['add', 'delete'],
  ])
})

it('knows its rule by the comment, in whatever form it comes back', async () => {
  await using rig = await engineRig({ internet: true })
  await filter(rig, ...docker(theirs, end))
  const { cnm } = await scene(rig)
  const saved = `${rig.host.folder}/saved`
  const restore = commands.map((each) => `${each}-save > ${saved} && ${each}-restore < ${saved}`)
  await rig.host.sh(restore.join(' && '))
  await becomes(rig, theirs, rule, end)
  // Several times, elsewhere, and without its condition.
  const bare = '-I DOCKER-USER -m comment --comment cnm -j ACCEPT'
  await filter(rig, bare, rule, rule.replace('-A', '-I'))
  await becomes(rig, theirs, rule, end)
  // What somebody else has called so.
  const drop = '-A DOCKER-USER -i evil -m comment --comment cnm -j DROP'
  await filter(rig, drop.replace('-A', '-I'), bare)
  await becomes(rig, drop, theirs, rule, end)
  // Gone and made again, with other rules than before.
  await filter(rig, '-F FORWARD', '-F DOCKER-USER', '-X DOCKER-USER', ...docker(theirs))
  await becomes(rig, theirs, rule)
  await vi.waitFor(async () => expect(await cnm.doctor()).toEqual([]))
  expect(rig.problems).toEqual([])
})
