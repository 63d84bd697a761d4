import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { createConnection, createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { IpAddress } from '#dist/address/address.js'
import {
  encodeFrame,
  FrameReader,
  KEEPER_VERSION,
  type KeeperRequest,
} from '#dist/keeper/keeper.js'
import type { KernelEvent, QueryEvent } from '#dist/kernel/kernel.js'
import { linuxKernel } from '#dist/kernel/linux/index.js'
import type { Resource } from '#dist/kernel/resource.js'
import { digAt } from '../support/dig.ts'
import { type ThrowAwayHost, throwAwayHost } from '../support/host.ts'
import { keeperEvents, names, resolver } from '../support/keeper-rig.ts'
import { add, keeperOf, kernelRig, remove } from '../support/kernel-rig.ts'
import { eventually } from '../support/sockets.ts'

const zone: Resource = {
  kind: 'zone',
  name: 'cnm.internal',
  listen: '127.0.0.153' as IpAddress,
}

function has(events: readonly KernelEvent[], change: 'lost' | 'back'): boolean {
  return events.some((it) => it.type === 'keeper' && it.change === change)
}

/** Listens where a keeper would, and answers hello as `reply` says. It hangs up when it is told to end. */
async function pretendKeeper(
  host: ThrowAwayHost,
  reply: (hello: KeeperRequest) => Buffer,
): Promise<{ readonly server: Server; readonly heard: string[] }> {
  await host.sh(`mkdir -p ${host.folder}/run`)
  const heard: string[] = []
  const server = createServer((socket) => {
    const reader = new FrameReader()
    socket.on('error', () => {})
    socket.on('data', (bytes: Buffer) => {
      for (const request of reader.push(bytes) as KeeperRequest[]) {
        heard.push(request.op)
        if (request.op === 'hello') socket.write(reply(request))
        else socket.destroy()
      }
    })
  })
  server.listen(join(host.folder, 'run/keeper.sock'))
  await once(server, 'listening')
  return { server, heard }
}

/** What a keeper answers to these, one each. */
async function sayTo(
  { folder }: ThrowAwayHost,
  messages: readonly KeeperRequest[],
): Promise<unknown[]> {
  const socket = createConnection(join(folder, 'run/keeper.sock'))
  const reader = new FrameReader()
  const replies: unknown[] = []
  for (const message of messages) socket.write(encodeFrame(message))
  for await (const bytes of socket as AsyncIterable<Buffer>) {
    replies.push(...reader.push(bytes))
    if (replies.length >= messages.length) break
  }
  return replies
}

describe('a kernel with a keeper', () => {
  it('leaves one of a later version alone, and is refused', async () => {
    await using host = await throwAwayHost()
    const { server, heard } = await pretendKeeper(host, ({ number }) =>
      encodeFrame({ number, version: 999 }),
    )
    try {
      const kernel = linuxKernel({ host: host.netns, keeper: keeperOf(host) })
      await expect(kernel).rejects.toMatchObject({
        code: 'NEWER_VERSION',
        message: expect.stringContaining('keeper.sock is of a newer cnm'),
      })
      expect(heard).toEqual(['hello'])
      expect(existsSync(join(host.folder, 'run/keeper.sock'))).toBe(true)
    } finally {
      server.close()
    }
  })

  it('is not ended by an engine of another version', async () => {
    await using host = await throwAwayHost()
    const options = { host: host.netns, keeper: keeperOf(host, true) }
    const kernel = await linuxKernel(options)
    try {
      await add(kernel, names('api', '10.7.0.2'))
      const replies = await sayTo(host, [
        { op: 'hello', number: 1, version: 999 },
        { op: 'end', number: 2 },
      ])
      expect(replies).toEqual([
        { number: 1, version: KEEPER_VERSION },
        { number: 2, error: `this keeper speaks version ${KEEPER_VERSION}` },
      ])
      // The engine that it works for has noticed nothing.
      await add(kernel, names('db', '10.7.0.3'))
      const kept = [names('api', '10.7.0.2'), names('db', '10.7.0.3')]
      expect(await kernel.compare(kept)).toEqual([])
      await remove(kernel, ...kept)
    } finally {
      await kernel.close()
    }
  })

  it('replaces one that tells nothing any more, and does not answer either', async () => {
    await using host = await throwAwayHost()
    const api = names('api', '10.7.0.2')
    let greetings = 0
    const { server, heard } = await pretendKeeper(host, ({ number }) => {
      greetings += 1
      const isFirst = greetings === 1
      return encodeFrame(
        isFirst
          ? { number, version: KEEPER_VERSION, resources: [api] }
          : { number, error: 'I have lost my mind' },
      )
    })
    const kernel = await linuxKernel({ host: host.netns, keeper: keeperOf(host) })
    try {
      const events = keeperEvents(kernel)
      expect(await kernel.compare([api])).toEqual([])
      await eventually(() => has(events, 'back'))
      expect(heard).toEqual(['hello', 'events', 'change', 'hello', 'end'])
      expect(await kernel.compare([api])).toMatchObject([{ state: 'missing' }])
    } finally {
      await kernel.close()
      server.close()
    }
  })

  it('starts one where a dead one has left its socket', async () => {
    await using host = await throwAwayHost()
    await host.sh(`mkdir -p ${host.folder}/run && touch ${host.folder}/run/keeper.sock`)
    const kernel = await linuxKernel({ host: host.netns, keeper: keeperOf(host) })
    try {
      await add(kernel, names('api', '10.7.0.2'))
      expect(await kernel.compare([names('api', '10.7.0.2')])).toEqual([])
    } finally {
      await kernel.close()
    }
  })

  it('says why one can not be started, once, and goes on without it', async () => {
    await using host = await throwAwayHost()
    const program = join(host.folder, 'broken.mjs')
    await writeFile(program, 'throw new RangeError("a broken keeper")\n')
    const kernel = await linuxKernel({
      host: host.netns,
      keeper: { ...keeperOf(host), program },
    })
    try {
      const events = keeperEvents(kernel)
      await eventually(() => events.some(({ type }) => type === 'problem'))
      await add(kernel, names('api', '10.7.0.2'), zone)
      const missing = await kernel.compare([names('api', '10.7.0.2'), zone])
      expect(missing.map(({ state }) => state)).toEqual(['missing', 'missing'])
      // It has been tried again meanwhile.
      await writeFile(program, `import ${JSON.stringify(keeperOf(host).program)}\n`)
      await eventually(() => has(events, 'back'))
      const problems = events.filter((it) => it.type === 'problem')
      expect(problems).toEqual([
        { type: 'problem', message: expect.stringContaining('RangeError: a broken keeper') },
      ])
    } finally {
      await kernel.close()
    }
  })

  it('needs a folder with a path that is short enough', async () => {
    await using host = await throwAwayHost()
    const folder = join(host.folder, 'x'.repeat(100))
    const opening = linuxKernel({ host: host.netns, keeper: { ...keeperOf(host), folder } })
    await expect(opening).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  })

  it('leaves nothing in its folder when it is closed', async () => {
    await using rig = await kernelRig()
    await add(rig.kernel, zone)
    // Nobody but root may talk to it.
    expect(await rig.host.sh(`stat -c %a ${rig.host.folder}/run/keeper.sock`)).toBe('600\n')
    await rig.kernel.close()
    expect(await rig.host.sh(`ls ${rig.host.folder}/run`)).toBe('')
    expect(await rig.host.sh('ss -H -lntu')).toBe('')
  })
})

describe('a kernel without one', () => {
  it('refuses what would have to be kept, and says so', async () => {
    await using host = await throwAwayHost()
    const kernel = await linuxKernel({ host: host.netns })
    try {
      await expect(add(kernel, zone)).rejects.toMatchObject({
        code: 'INVALID_ARGUMENT',
        message: expect.stringContaining('no keeper'),
        details: { resource: 'zone:cnm.internal' },
      })
      await remove(kernel, zone)
      expect(await kernel.compare([zone])).toMatchObject([{ state: 'missing' }])
    } finally {
      await kernel.close()
    }
  })
})

describe('a zone', () => {
  it('is missing where its address is none of the host', async () => {
    await using rig = await kernelRig()
    const elsewhere: Resource = { ...zone, listen: '192.0.2.1' as IpAddress } as Resource
    await add(rig.kernel, elsewhere)
    expect(await rig.kernel.compare([elsewhere])).toMatchObject([{ state: 'missing' }])
    expect(await rig.host.nft('list ruleset')).toBe('')
  })
})

describe('what is asked', () => {
  it('is counted, and told one by one to who listens', async () => {
    await using rig = await kernelRig()
    const box = rig.box('box')
    const events = keeperEvents(rig.kernel)
    await add(
      rig.kernel,
      { kind: 'namespace', namespace: box },
      resolver(box),
      names('api', '10.7.0.2'),
    )
    const dig = (name: string) => digAt(rig.host, box.path, '127.0.0.11', name)
    await dig('api')
    const counters = () => events.findLast((it) => it.type === 'counters')
    await eventually(() => counters()?.counters.answered.local === 1)
    expect(counters()).toMatchObject({ sandbox: 'box', counters: { asked: 1 } })

    const abort = new AbortController()
    const queries: QueryEvent[] = []
    const listening = (async () => {
      for await (const query of rig.kernel.queries(abort.signal)) queries.push(query)
    })()
    await eventually(async () => {
      await dig('db')
      return queries.length > 0
    })
    expect(queries[0]).toMatchObject({ sandbox: 'box', name: 'db.', type: 'A', transport: 'udp' })
    abort.abort()
    await listening
  })
})
