import { createController, type LocalSandbox } from 'libcnm/linux'

/**
 * An engine in a process of its own: does what its parent tells it, one after the other, and sends one
 * answer for each. Arguments: its two folders.
 */
export type EngineOrder =
  /** Makes that many sandboxes with names, spread over the networks. */
  | { readonly op: 'fill'; readonly count: number }
  /** Sandboxes come and go on the first network; how long each took to attach, in milliseconds. */
  | { readonly op: 'churn'; readonly count: number; readonly resolver: boolean }
  | { readonly op: 'empty' }
  | { readonly op: 'close' }

export interface EngineAnswer {
  readonly times: readonly number[]
  /** Of the first sandbox. */
  readonly namespace: string
}

const NETWORKS = 10
const [stateDir, runDir] = process.argv.slice(2)
const cnm = await createController({ stateDir: stateDir!, runDir: runDir! })
for (let i = 0; i < NETWORKS; i++) {
  await cnm.createNetwork({ name: `names${i}`, subnets: [`10.${100 + i}.0.0/16`] })
}
let boxes: LocalSandbox[] = []

async function obey(order: EngineOrder): Promise<readonly number[]> {
  switch (order.op) {
    case 'fill':
      for (let i = 0; i < order.count; i++) boxes.push(await attach(boxes.length))
      return []
    case 'churn':
      return churn(order.count, order.resolver)
    case 'empty':
      for (const box of boxes) await box.delete()
      boxes = []
      for (let i = 0; i < NETWORKS; i++) await cnm.network(`names${i}`).delete()
      return []
    case 'close':
      await cnm.close()
      return []
  }
}

function attach(number: number): Promise<LocalSandbox> {
  const network = `names${number % NETWORKS}`
  return cnm.createSandbox({ name: `box${number}`, connect: [{ network }] })
}

async function churn(count: number, resolver: boolean): Promise<readonly number[]> {
  const times: number[] = []
  for (let i = 0; i < count; i++) {
    const begin = performance.now()
    const box = await cnm.createSandbox({ resolver, connect: [{ network: 'names0' }] })
    times.push(performance.now() - begin)
    await box.delete()
  }
  return times
}

process.on('message', async (order: EngineOrder) => {
  const times = await obey(order)
  const namespace = (await boxes[0]?.inspect())?.namespace?.path ?? ''
  process.send!({ times, namespace } satisfies EngineAnswer)
  if (order.op === 'close') process.disconnect()
})
process.send!({ times: [], namespace: '' } satisfies EngineAnswer)
