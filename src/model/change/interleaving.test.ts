import { expect, it } from 'vitest'
import { MemoryRig } from '../../../test/support/memory-rig.ts'
import { asAnother } from '../../../test/support/nested-queues.ts'
import { KernelError } from '../../base/errors.ts'
import { type ControllerOptions, createController, type LocalController } from '../controller.ts'

type Verb = (cnm: LocalController) => Promise<unknown>

/** On a host with networks "web" and "brief" (ephemeral), sandboxes "api" on "web" and "box", endpoint "db". */
const verbs: Readonly<Record<string, Verb>> = {
  connect: (cnm) => cnm.sandbox('box').connect(cnm.network('web')),
  'connect to an ephemeral network': (cnm) => cnm.sandbox('box').connect(cnm.network('brief')),
  disconnect: async (cnm) => (await cnm.sandbox('api').endpoints())[0]!.leave(),
  'create a network': (cnm) => cnm.createNetwork({ name: 'more', subnets: ['10.9.0.0/24'] }),
  'delete a network': (cnm) => cnm.network('idle').delete(),
  'delete a network by force': (cnm) => cnm.network('web').delete({ force: true }),
  'create a sandbox': (cnm) => cnm.createSandbox({ name: 'c', connect: [{ network: 'brief' }] }),
  'delete a sandbox': (cnm) => cnm.sandbox('api').delete(),
  'create an endpoint': (cnm) => cnm.network('web').createEndpoint({ name: 'e' }),
  'delete an endpoint': async (cnm) => (await db(cnm)).delete(),
  join: async (cnm) => (await db(cnm)).join(cnm.sandbox('box')),
  doctor: (cnm) => cnm.doctor({ fix: true }),
  close: (cnm) => cnm.close(),
}

async function db(cnm: LocalController) {
  return (await cnm.network('web').endpoints()).find(({ name }) => name === 'db')!
}

async function furnish(cnm: LocalController): Promise<void> {
  await cnm.createNetwork({ name: 'web', subnets: ['10.7.0.0/24'] })
  await cnm.createNetwork({ name: 'idle', subnets: ['10.6.0.0/24'] })
  await cnm.createNetwork({ name: 'brief', subnets: ['10.8.0.0/24'], ephemeral: true })
  await cnm.createSandbox({ name: 'api', connect: [{ network: 'web' }] })
  await cnm.createSandbox({ name: 'box' })
  await cnm.network('web').createEndpoint({ name: 'db', persistent: true })
}

/** Calls to kernel and store, of which one can be held. */
class Gate {
  calls = 0
  #held = Number.POSITIVE_INFINITY
  #fails = false
  #reached = () => {}
  #open = () => {}

  parts(rig: MemoryRig): ControllerOptions {
    const parts = rig.parts()
    const { kernel, store } = parts
    const apply: typeof kernel.apply = (change) => this.#pass(() => kernel.apply(change), true)
    const commit: typeof store.commit = (writes) => this.#pass(() => store.commit(writes), false)
    return { ...parts, kernel: { ...kernel, apply }, store: { ...store, commit } }
  }

  /** Runs `other` while the n-th call of `verb` is held; then that goes on, or fails. */
  async hold(n: number, fails: boolean, verb: () => Promise<unknown>, other: () => void) {
    this.calls = 0
    this.#held = n
    this.#fails = fails
    const reached = new Promise<void>((resolve) => {
      this.#reached = resolve
    })
    const open = new Promise<void>((resolve) => {
      this.#open = resolve
    })
    this.#waits = open
    const work = verb().catch(() => {})
    await Promise.race([reached, work])
    other()
    for (let turn = 0; turn < 4; turn += 1) await new Promise(setImmediate)
    this.#open()
    await work
    this.#held = Number.POSITIVE_INFINITY
  }

  #waits: Promise<void> = Promise.resolve()

  async #pass(call: () => Promise<void>, isApply: boolean): Promise<void> {
    this.calls += 1
    if (this.calls === this.#held) {
      this.#reached()
      await this.#waits
      if (this.#fails && isApply) throw new KernelError('injected', 'EIO')
    }
    await call()
  }
}

async function inTime<T>(work: Promise<T>, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} hangs`)), 20_000)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}

const first = Object.keys(verbs).filter((name) => name !== 'close' && name !== 'doctor')

it.each(first)(
  'whatever starts while something of "%s" is under way, it ends, and all is well',
  {
    timeout: 60_000,
  },
  async (name) => {
    for (const [otherName, other] of Object.entries(verbs)) {
      for (const fails of otherName === 'doctor' ? [false, true] : [false]) {
        for (let n = 1; ; n += 1) {
          const rig = new MemoryRig()
          const gate = new Gate()
          const cnm = await createController(gate.parts(rig))
          await furnish(cnm)
          let begun: Promise<unknown> | undefined
          const what = `${otherName} at call ${n} of ${name}${fails ? ', which fails' : ''}`
          const both = gate
            .hold(
              n,
              fails,
              () => verbs[name]!(cnm),
              () => {
                begun = asAnother(async () => other(cnm)).catch(() => {})
              },
            )
            .then(() => begun)
          await inTime(both, what)
          const isOver = gate.calls < n
          await inTime(cnm.close(), `closing after ${what}`)
          const again = await rig.start()
          expect(await again.doctor(), what).toEqual([])
          await again.close()
          if (isOver) break
        }
      }
    }
  },
)

it('doctor is asked while a connection fails to a network that goes with it', async () => {
  const rig = new MemoryRig()
  const gate = new Gate()
  await using cnm = await createController(gate.parts(rig))
  await furnish(cnm)
  const began = Date.now()
  let asked: Promise<unknown> | undefined
  const connect = () => verbs['connect to an ephemeral network']!(cnm)
  const both = gate.hold(2, true, connect, () => {
    asked = asAnother(() => cnm.doctor())
  })
  await inTime(both, 'connecting')
  expect(await asked).toEqual([])
  expect(Date.now() - began).toBeLessThan(1000)
  expect((await cnm.networks()).map((network) => network.name)).not.toContain('brief')
})
