import { existsSync, readFileSync, statSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { throwAwayHost, uplink } from '../support/host.ts'

describe('the throw-away host', () => {
  it('has a network of its own, with lo and nothing else', async () => {
    await using host = await throwAwayHost()
    const links = await host.ip<{ ifname: string; flags: string[] }[]>('-j link')
    expect(links).toMatchObject([{ ifname: 'lo', flags: expect.arrayContaining(['UP']) }])
    expect(await host.ip('-j route')).toEqual([])
    expect(await host.nft('-j list ruleset')).toMatchObject({ nftables: [{ metainfo: {} }] })
    expect(statSync(host.netns).ino).not.toBe(statSync('/proc/self/ns/net').ino)
  })

  it('reaches an internet, which has no way back to what is behind it', async () => {
    await using host = await throwAwayHost({ internet: true })
    await host.sh(`ping -c 1 -W 5 ${uplink.gateway4} && ping -c 1 -W 5 ${uplink.gateway6}`)
    const routes = await host.ip('-j route get 192.0.2.1')
    expect(routes).toMatchObject([{ gateway: uplink.gateway4, dev: uplink.link }])
    await expect(host.inside(host.internet, ['ip', 'route', 'get', '10.7.0.1'])).rejects.toThrow()
  })

  it('leaves nothing behind', async () => {
    const host = await throwAwayHost({ internet: true })
    const box = await host.createNamespace('box')
    expect(readFileSync('/proc/self/mountinfo', 'utf8')).toContain(box)
    await host[Symbol.asyncDispose]()
    expect(existsSync(host.folder)).toBe(false)
    expect(readFileSync('/proc/self/mountinfo', 'utf8')).not.toContain(host.folder)
  })

  it('says what failed and how', async () => {
    await using host = await throwAwayHost()
    await expect(host.sh('echo no such thing >&2; exit 3')).rejects.toThrow(
      /failed \(3\): no such thing/,
    )
    await expect(host.sh('sleep 60', { timeoutMs: 50 })).rejects.toThrow(/took more than 50 ms/)
  })
})
