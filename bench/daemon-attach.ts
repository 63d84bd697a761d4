import { connectController } from 'libcnm/client'
import type { DaemonProcess } from './daemon-process.ts'
import { floor } from './floor.ts'
import { library } from './library.ts'
import { prepared } from './session.ts'
import { median, ms, quantile } from './statistics.ts'
import type { Detached, Subject } from './subject.ts'

type Attaching = Pick<Subject, 'attach'> & {
  detach(count: number): Promise<Pick<Detached, 'each'>>
  close(): Promise<void>
}

/** The daemon, asked over its socket by one client, one thing after the other. */
async function api(daemon: DaemonProcess): Promise<Attaching> {
  const cnm = await connectController({ socket: daemon.socketPath })
  await cnm.createNetwork({ name: 'attach', subnets: ['10.0.0.0/16'] })
  const sandboxes: Awaited<ReturnType<typeof cnm.createSandbox>>[] = []
  return {
    attach: (count) =>
      timed(count, async () => {
        sandboxes.push(await cnm.createSandbox({ connect: [{ network: 'attach' }] }))
      }),
    detach: async (count) => ({ each: await timed(count, () => sandboxes.pop()!.delete()) }),
    async close() {
      await cnm.network('attach').delete()
      await cnm.close()
    },
  }
}

export async function timed(count: number, work: () => Promise<unknown>): Promise<number[]> {
  const times: number[] = []
  for (let i = 0; i < count; i++) {
    const begin = performance.now()
    await work()
    times.push(performance.now() - begin)
  }
  return times
}

/** 300 sandboxes on one network come and go; `full` is called when they are all there. */
export async function attachRows(
  folder: string,
  daemon: DaemonProcess,
  full: () => void,
): Promise<string[][]> {
  const subjects: Readonly<Record<string, Attaching>> = {
    floor: await floor(prepared(folder, 'memory/floor'), 1),
    library: await library({
      stateDir: prepared(folder, 'library-state'),
      runDir: prepared(folder, 'memory/library-run'),
      networks: 1,
    }),
    api: await api(daemon),
  }
  const attach = await inTurns(subjects, 10, (one) => one.attach(30))
  full()
  const detach = await inTurns(subjects, 10, async (one) => (await one.detach(30)).each)
  for (const subject of Object.values(subjects)) await subject.close()
  return [
    ['median ms, in turns', 'floor', 'library', 'API', 'p99', 'to floor', 'to library', 'goal'],
    row('attach, 300 on one network', attach, '≤ 3 ms'),
    row('detach, until it has no effect', detach, ''),
  ]
}

type Samples = Readonly<Record<string, number[]>>

async function inTurns(
  subjects: Readonly<Record<string, Attaching>>,
  turns: number,
  work: (one: Attaching) => Promise<number[]>,
): Promise<Samples> {
  const samples: Samples = Object.fromEntries(Object.keys(subjects).map((name) => [name, []]))
  for (let turn = 0; turn < turns; turn++) {
    for (const [name, subject] of Object.entries(subjects))
      samples[name]!.push(...(await work(subject)))
  }
  return samples
}

function row(
  what: string,
  { floor = [], library = [], api = [] }: Samples,
  goal: string,
): string[] {
  const middle = median(api)
  const ratio = (other: number[]) => (middle / median(other)).toFixed(2)
  return [
    ...[what, ms(median(floor)), ms(median(library)), ms(middle), ms(quantile(api, 0.99))],
    ...[ratio(floor), ratio(library), goal],
  ]
}
