import { connectController, type RemoteController } from 'libcnm/client'
import type { DaemonProcess } from './daemon-process.ts'

const clients = 8
const networks = 10
const sandboxes = 1000

/** A thousand sandboxes by eight clients at once; `full` is called when they are all there. */
export async function crowdRows(daemon: DaemonProcess, full: () => void): Promise<string[][]> {
  const connected = await Promise.all(
    Array.from({ length: clients }, () => connectController({ socket: daemon.socketPath })),
  )
  const [first] = connected as [RemoteController]
  for (let i = 0; i < networks; i++)
    await first.createNetwork({ name: `crowd${i}`, subnets: [`10.${10 + i}.0.0/16`] })
  const attached = await perSecond(connected, async (cnm, number) => {
    const network = `crowd${number % networks}`
    await cnm.createSandbox({ name: `box${number}`, connect: [{ network }] })
  })
  full()
  const detached = await perSecond(connected, async (cnm, number) => {
    await cnm.sandbox(`box${number}`).delete()
  })
  for (let i = 0; i < networks; i++) await first.network(`crowd${i}`).delete()
  for (const cnm of connected) await cnm.close()
  return [
    [`${sandboxes.toLocaleString('en')} sandboxes, ${clients} clients`, 'a second'],
    [`attached to ${networks} networks`, attached.toFixed(0)],
    ['found and deleted', detached.toFixed(0)],
  ]
}

/** Each client takes the next number when it is done with one. */
async function perSecond(
  connected: readonly RemoteController[],
  work: (cnm: RemoteController, number: number) => Promise<void>,
): Promise<number> {
  let next = 0
  const begin = performance.now()
  await Promise.all(
    connected.map(async (cnm) => {
      while (next < sandboxes) await work(cnm, next++)
    }),
  )
  return (sandboxes * 1000) / (performance.now() - begin)
}
