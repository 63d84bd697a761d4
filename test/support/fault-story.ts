import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'vitest'
import { bridge } from '#dist/driver/bridge/bridge.js'
import { createController, type LocalController } from '#dist/index.js'
import { local as localIpam } from '#dist/ipam/local/local.js'
import { type LinuxKernel, linuxKernel } from '#dist/kernel/linux/index.js'
import { local as localStore } from '#dist/store/local/local.js'
import type { Store } from '#dist/store/store.js'
import { type ThrowAwayHost, throwAwayHost } from './host.ts'
import { hostState } from './host-state.ts'
import { keeperOf } from './kernel-rig.ts'
import { portsSeen, type Question, refuseAtOnce, type Seen, servePorts } from './published-view.ts'

/** What a user may do, on a real host where `prepare` was done before. */
export interface FaultStory {
  readonly name: string
  prepare?(cnm: LocalController, host: ThrowAwayHost): Promise<unknown>
  act(cnm: LocalController, host: ThrowAwayHost): Promise<unknown>
  /** Takes it back, so that it can be done again. */
  undo(cnm: LocalController, host: ThrowAwayHost): Promise<unknown>
  /** What is there before counts as a finding, too. */
  readonly broken?: boolean
  /** What is asked before and after. */
  readonly ports?: {
    /** Of the host. */
    readonly host: readonly number[]
    /** Those that answer in sandbox `api`. */
    readonly inside: readonly number[]
    /** Its own, asked from the internet. */
    readonly direct?: readonly Omit<Question, 'from'>[]
  }
}

/** Whichever kernel call of a story fails, nothing has changed, and the next try works. */
export async function survivesFaults(story: FaultStory): Promise<void> {
  await using host = await throwAwayHost({ internet: true })
  await refuseAtOnce(host)
  const kernel = await linuxKernel({ host: host.netns, keeper: keeperOf(host) })
  const { store, records } = readableStore(host)
  await using cnm = await openEngine(host, kernel, store)
  await story.prepare?.(cnm, host)
  await using _servers = await serveStory(story, cnm)
  const { host: ports = [], direct } = story.ports ?? {}
  const ask = (expected?: Seen) => portsSeen(host, ports, direct, expected)
  const look = async (expected?: Seen): Promise<Look> => {
    await kernel.settled()
    const [machine, names, seen] = await Promise.all([
      machineOf(host),
      namesOf(host),
      ask(expected),
    ])
    return { ...machine, names, records: records(), seen }
  }
  // How many kernel calls there are, is counted in a first, undisturbed run.
  await kernel.armFault(Number.MAX_SAFE_INTEGER)
  await story.act(cnm, host)
  const calls = await kernel.faultCalls()
  expect(calls).toBeGreaterThan(0)
  const wanted = await ask()
  await story.undo(cnm, host)
  let before = await look()
  for (let k = 1; k <= calls; k += 1) {
    await kernel.armFault(k)
    const failed = await fails(story.act(cnm, host))
    await kernel.armFault(Number.MAX_SAFE_INTEGER)
    if (failed) {
      expectSame(before, await look(before.seen))
      if (!story.broken) expect(await cnm.doctor()).toEqual([])
      if (k % retried !== 0 && k !== calls) continue
      await story.act(cnm, host)
    }
    // Or it was a call whose failure does no harm: deleting in the background.
    expect(await ask(wanted), `after call ${k} of ${calls}`).toEqual(wanted)
    await story.undo(cnm, host)
    before = await look(before.seen)
    if (!story.broken) expect(await cnm.doctor()).toEqual([])
  }
}

/** After every so many failures it is done at last, and undone. */
const retried = 4

async function openEngine(
  host: ThrowAwayHost,
  kernel: LinuxKernel,
  store: Store,
): Promise<LocalController> {
  const namespaceDir = join(host.folder, 'run/netns')
  await mkdir(namespaceDir, { recursive: true })
  const ipams = [localIpam({ seed: 'test' })]
  const sandboxDir = join(host.folder, 'run/sandboxes')
  return createController({ kernel, store, drivers: [bridge()], ipams, namespaceDir, sandboxDir })
}

async function serveStory({ ports }: FaultStory, cnm: LocalController): Promise<AsyncDisposable> {
  const path = ports && (await cnm.sandbox('api').inspect()).namespace?.path
  return servePorts(path ?? '', ports?.inside ?? [])
}

async function fails(call: Promise<unknown>): Promise<boolean> {
  return call.then(
    () => false,
    () => true,
  )
}

/** A store, and what is in it. */
function readableStore(host: ThrowAwayHost): { store: Store; records(): readonly string[] } {
  const stateDir = join(host.folder, 'state')
  const inner = localStore({ stateDir, runDir: join(host.folder, 'run') })
  const contents = new Map<string, string>()
  const store: Store = {
    load: () => inner.load(),
    commit: async (writes) => {
      await inner.commit(writes)
      for (const { kind, id, value } of writes) {
        // Numbers of networks go on, whatever becomes of the network.
        if (kind === 'engine' && id === 'numbers') continue
        if (value === null) contents.delete(`${kind} ${id}`)
        else contents.set(`${kind} ${id}`, `${kind} ${JSON.stringify(value)}`)
      }
    },
    lacks: (kind, ids) => inner.lacks(kind, ids),
    close: () => inner.close(),
  }
  return { store, records: () => [...contents.values()].sort() }
}

interface Look {
  readonly machine: readonly string[]
  /** Ports that have to fall silent, and for how many seconds. */
  readonly quiet: ReadonlyMap<string, number>
  /** What the host's programs and those of sandboxes are told of names. */
  readonly names: string
  readonly records: readonly string[]
  readonly seen: Seen
}

function expectSame(before: Look, after: Look): void {
  expect(after.machine.join('\n')).toBe(before.machine.join('\n'))
  expect(after.names).toBe(before.names)
  expect(after.records).toEqual(before.records)
  expect(after.seen).toEqual(before.seen)
  // None has come, and none is gone that had time.
  expect([...before.quiet.keys()]).toEqual(expect.arrayContaining([...after.quiet.keys()]))
  const lasting = [...before.quiet].filter(([, seconds]) => seconds >= 15).map(([port]) => port)
  expect([...after.quiet.keys()]).toEqual(expect.arrayContaining(lasting))
}

async function machineOf(host: ThrowAwayHost): Promise<Pick<Look, 'machine' | 'quiet'>> {
  // Nothing of ours has anything to do in the internet.
  const [lines, quiet] = await Promise.all([hostState(host, [host.internet]), quietPorts(host)])
  // Without the sets whose elements go by themselves.
  return { machine: lines.filter((line) => !/"set":\{[^[]*"name":"quiet/.test(line)), quiet }
}

/** Each address that names have, and each line of the files of sandboxes. */
async function namesOf(host: ThrowAwayHost): Promise<string> {
  const questions = ['api.web', 'api.back', 'new.web', 'new.back', 'db.web'].flatMap((name) => {
    return [`${name}.cnm.internal A`, `${name}.cnm.internal AAAA`]
  })
  const dig = 'dig @127.0.0.153 +tries=1 +time=2 +noall +answer'
  const answers = await host.sh(`${dig} ${questions.join(' ')} || true`)
  const files = await host.sh(`grep -r '' ${join(host.folder, 'run/sandboxes')} || true`)
  return [...answers.split('\n'), ...files.split('\n').sort()].join('\n')
}

interface NftSet {
  readonly set?: { readonly elem?: readonly { readonly elem?: QuietPort }[] }
}

interface QuietPort {
  readonly val: unknown
  readonly expires?: number
}

async function quietPorts(host: ThrowAwayHost): Promise<Look['quiet']> {
  const list = 'nft -j list table inet cnm 2>/dev/null || echo \'{"nftables":[]}\''
  const { nftables } = JSON.parse(await host.sh(list)) as { nftables: readonly NftSet[] }
  const elements = nftables.flatMap(({ set }) => set?.elem ?? [])
  return new Map(
    elements.flatMap(({ elem }) =>
      elem?.expires === undefined ? [] : [[JSON.stringify(elem.val), elem.expires]],
    ),
  )
}
