import { attachRows } from './daemon-attach.ts'
import { crowdRows } from './daemon-crowd.ts'
import { dockerRows } from './daemon-docker.ts'
import { DaemonProcess } from './daemon-process.ts'
import { restartRows } from './daemon-restart.ts'
import { session } from './session.ts'
import { table } from './statistics.ts'
import { ip, makeHost } from './traffic-subject.ts'

/**
 * What the daemon adds to the library, and what becomes of its users when it is killed. Run by `make
 * bench`, in a namespace that plays the host of the library; the daemon has one of its own.
 */
await session(async (folder) => {
  const { host, outside } = makeHost('daemon')
  const daemon = new DaemonProcess(folder, 'daemon', host)
  try {
    await daemon.answers()
    const memories = [['memory (PSS), MB', 'daemon', 'keeper', 'together', 'goal']]
    const note = (what: string, goal: string) => {
      const { daemon: own, keeper } = daemon.memory()
      memories.push([what, ...[own, keeper, own + keeper].map((size) => size.toFixed(0)), goal])
    }
    note('idle', '≤ 130')
    const attach = await attachRows(folder, daemon, () => note('300 endpoints', '≤ 160'))
    const crowd = await crowdRows(daemon, () => note('1,000 on 10 networks', '≤ 250'))
    const restart = await restartRows(daemon, outside)
    const docker = await dockerRows(folder)
    const tables = [attach, crowd, memories, restart, ...(docker === undefined ? [] : [docker])]
    const missing = docker === undefined ? ['there is no dockerd here', ''] : []
    return [...tables.map((rows) => `${table(rows)}\n`), ...missing].join('\n')
  } finally {
    await daemon.stop()
    for (const name of [host, outside]) ip('netns', 'del', name)
  }
})
