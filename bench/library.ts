import { setTimeout as sleep } from 'node:timers/promises'
import { createController } from 'libcnm/linux'
import { countLinks } from './leftovers.ts'
import type { Detached, Subject } from './subject.ts'

export interface LibraryOptions {
  readonly stateDir: string
  readonly runDir: string
  readonly networks: number
}

/** The public library, used as a program would use it. */
export async function library(options: LibraryOptions): Promise<Subject> {
  const { stateDir, runDir, networks } = options
  const cnm = await createController({ stateDir, runDir })
  for (let i = 0; i < networks; i++) {
    // Large enough for 300 endpoints.
    await cnm.createNetwork({ name: `bench${i}`, subnets: [`10.${i}.0.0/16`] })
  }
  const sandboxes: Awaited<ReturnType<typeof cnm.createSandbox>>[] = []

  return {
    async attach(count, ports) {
      const publish = ports === undefined ? [] : ['80']
      const times: number[] = []
      for (let i = 0; i < count; i++) {
        const network = `bench${sandboxes.length % networks}`
        const start = performance.now()
        sandboxes.push(await cnm.createSandbox({ connect: [{ network, publish }] }))
        times.push(performance.now() - start)
      }
      return times
    },

    async detach(count): Promise<Detached> {
      const expected = countLinks() - count
      const each: number[] = []
      const start = performance.now()
      for (const sandbox of sandboxes.splice(-count).reverse()) {
        const begin = performance.now()
        await sandbox.delete()
        each.push(performance.now() - begin)
      }
      await until(() => countLinks() <= expected)
      return { each, untilGone: performance.now() - start }
    },

    async close() {
      for (let i = 0; i < networks; i++) await cnm.network(`bench${i}`).delete()
      await cnm.close()
    },
  }
}

async function until(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 60_000
  while (!condition()) {
    if (performance.now() > deadline) throw new Error('not everything is gone after a minute')
    await sleep(1)
  }
}
