import { mkdir, readdir, rm } from 'node:fs/promises'
import { expect, it } from 'vitest'
import { connectController, type KnownSandbox, type RemoteController } from '#dist/client/client.js'
import { namespaceOf } from '../support/chaos-promises.ts'
import { type CliHost, cliHost } from '../support/cli-host.ts'
import { run } from '../support/run.ts'

const refused = { code: 'STORE_UNAVAILABLE', hint: expect.any(String) }

interface World {
  readonly client: RemoteController
  readonly a: KnownSandbox
  readonly b: KnownSandbox
}

async function world(cnm: CliHost): Promise<World> {
  const client = await connectController({ socket: cnm.socket })
  await client.createNetwork({ name: 'web', subnets: ['10.7.0.0/24'] })
  const make = (name: string) => client.createSandbox({ name, connect: [{ network: 'web' }] })
  return { client, a: await make('a'), b: await make('b') }
}

async function expectGoingOn({ host }: CliHost, { a }: World): Promise<void> {
  const inside = (...argv: [string, ...string[]]) => host.inside(namespaceOf(a.info), argv)
  await inside('ping', '-c1', '-W2', '10.7.0.3')
  expect((await inside('dig', '@127.0.0.11', '+short', 'b')).trim()).toBe('10.7.0.3')
}

async function expectMended(cnm: CliHost, { client, b }: World): Promise<void> {
  expect(await client.doctor()).toEqual([])
  await client.createNetwork({ name: 'more' })
  const box = await client.createSandbox({ connect: [{ network: 'web' }, { network: 'more' }] })
  expect(box.info.state).toBe('ready')
  await b.delete()
  await client.down()
  expect(await readdir(`${cnm.runDir}/netns`)).toEqual([])
  await cnm.alone()
  await cnm.stop()
  // A keeper without work waits for a while, with its log open, unless its socket is gone.
  await run(['sh', '-c', `umount -ql ${cnm.runDir} || true`])
}

/** All that can be written is. */
async function fill(folder: string): Promise<void> {
  await run(['sh', '-c', `cat /dev/zero > ${folder}/rest 2>/dev/null || true`])
}

async function tmpfs(folder: string, size: string): Promise<void> {
  await mkdir(folder, { recursive: true })
  await run(['mount', '-t', 'tmpfs', '-o', `size=${size}`, 'none', folder])
}

/** The folder can only be read from now on, by whoever opens something in it. */
async function protect(folder: string): Promise<void> {
  await run(['mount', '--rbind', folder, folder])
  await run(['mount', '--make-rprivate', folder])
  await run(['mount', '-o', 'remount,bind,ro', folder])
}

const unprotect = (folder: string) => run(['umount', '-R', folder])

it('a full run folder: nothing new, what there is goes on, and all works again with room', async () => {
  await using cnm = await cliHost()
  await tmpfs(cnm.runDir, '1m')
  await cnm.daemon()
  const before = await world(cnm)
  const { client, a, b } = before
  await using _ = client
  await fill(cnm.runDir)
  for (let n = 0; n < 3; n += 1) {
    await expect(client.createSandbox({ connect: [{ network: 'web' }] })).rejects.toMatchObject(
      refused,
    )
  }
  await expect(client.createNetwork({ name: 'more' })).rejects.toMatchObject(refused)
  await expectGoingOn(cnm, before)
  expect((await client.sandboxes()).map(({ name }) => name)).toEqual([a.name, b.name])
  expect((await client.networks()).map(({ name }) => name)).not.toContain('more')
  await rm(`${cnm.runDir}/rest`)
  await expectMended(cnm, before)
})

it('a full run folder when the daemon was killed: the next one takes over all the same', async () => {
  await using cnm = await cliHost()
  await tmpfs(cnm.runDir, '1m')
  const first = await cnm.daemon()
  const before = await world(cnm)
  await using _ = before.client
  first.kill('SIGKILL')
  await first.ended
  await fill(cnm.runDir)
  // Nothing is to be recorded that isn't.
  await cnm.daemon()
  expect((await before.client.sandboxes()).map(({ id }) => id)).toEqual([before.a.id, before.b.id])
  await expectGoingOn(cnm, before)
  await rm(`${cnm.runDir}/rest`)
  await expectMended(cnm, before)
})

it.each(['full', 'read-only'])('a %s state folder: no network comes or goes', async (how) => {
  await using cnm = await cliHost()
  await tmpfs(cnm.stateDir, '64k')
  await cnm.daemon()
  const before = await world(cnm)
  const { client } = before
  await using _ = client
  await (how === 'full' ? fill(cnm.stateDir) : protect(cnm.stateDir))
  await expect(client.createNetwork({ name: 'more' })).rejects.toMatchObject(refused)
  // Nothing of these is kept there.
  const box = await client.createSandbox({ connect: [{ network: 'web' }] })
  await box.delete()
  await expectGoingOn(cnm, before)
  await (how === 'full' ? rm(`${cnm.stateDir}/rest`) : unprotect(cnm.stateDir))
  await expectMended(cnm, before)
})

it('a read-only run folder: no sandbox comes, and what there is goes on', async () => {
  await using cnm = await cliHost()
  await tmpfs(cnm.runDir, '8m')
  await cnm.daemon()
  const before = await world(cnm)
  const { client } = before
  await using _ = client
  const doomed = await client.createSandbox({ connect: [{ network: 'web' }] })
  await protect(cnm.runDir)
  await expect(client.createSandbox({ connect: [{ network: 'web' }] })).rejects.toMatchObject(
    refused,
  )
  await expect(doomed.delete()).rejects.toMatchObject(refused)
  await expectGoingOn(cnm, before)
  await unprotect(cnm.runDir)
  await doomed.delete()
  await expectMended(cnm, before)
})

it('a state folder that is removed: doctor tells, and brings it back', async () => {
  await using cnm = await cliHost()
  const daemon = await cnm.daemon()
  const before = await world(cnm)
  const { client } = before
  await using _ = client
  await rm(cnm.stateDir, { recursive: true })
  const detail = 'the record of network "web" has been removed'
  expect(await client.doctor()).toEqual([{ kind: 'missing', detail, mended: false }])
  await expectGoingOn(cnm, before)
  expect(await client.doctor({ fix: true })).toEqual([{ kind: 'missing', detail, mended: true }])
  expect(await client.doctor()).toEqual([])
  await rm(cnm.stateDir, { recursive: true })
  // Whatever is written next makes its folder.
  await client.createNetwork({ name: 'second' })
  await client.doctor({ fix: true })
  daemon.kill('SIGKILL')
  await daemon.ended
  await cnm.daemon()
  const networks = (await client.networks()).map(({ name }) => name)
  expect(networks).toEqual(expect.arrayContaining(['second', 'web']))
  await expectMended(cnm, before)
})
