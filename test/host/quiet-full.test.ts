import { expect, it, vi } from 'vitest'
import { parseAddress } from '#dist/address/address.js'
import { close } from '#dist/kernel/linux/ffi/file.js'
import {
  AF_INET,
  connect,
  internetAddress,
  SOCK_RAW,
  send,
  socket,
} from '#dist/kernel/linux/ffi/socket.js'
import { inNamespace } from '../support/echo.ts'
import { addressOf } from '../support/engine-rig.ts'
import { hostAddress, lan, packetWorld } from '../support/packet-world.ts'

const IPPROTO_UDP = 17
const patience = { timeout: 20_000, interval: 20 }

it('ends a port though a sandbox has filled the set of those that fall silent', async () => {
  await using world = await packetWorld()
  const { engine, host } = world
  await engine.createNetwork({ name: 'web', options: { newFlowsPerSecond: 0 } })
  const [busy, api] = [await boxOn('busy'), await boxOn('api')]
  const [many, one] = [['127.0.0.1:1-65535:1-65535/udp'], ['8080:80/udp']]
  await (await busy.endpoints())[0]!.publish(many)
  await (await busy.endpoints())[0]!.unpublish(many)
  const endpoint = (await api.endpoints())[0]!
  await endpoint.publish(one)
  expect(await world.told('lan', hostAddress.ipv4, 8080, 'udp')).toBe(`api ${lan.remote4}`)
  const from = (text: string, address: string) => text.split(`${address} . udp . `).length - 1
  await vi.waitFor(async () => {
    sendFromAll(await world.path(busy), lan.remote4)
    const exact = await host.nft('list set inet cnm quiet4')
    expect(from(exact, await addressOf(busy))).toBe(65_535)
  }, patience)
  await endpoint.unpublish(one)
  expect(from(await host.nft('list set inet cnm quiet_ranges4'), await addressOf(api))).toBe(1)
  expect(await world.silent('lan', hostAddress.ipv4, 8080, 'udp')).toBe(true)
  await endpoint.publish(one)
  expect(from(await host.nft('list set inet cnm quiet_ranges4'), await addressOf(api))).toBe(0)
  expect(await world.told('lan', hostAddress.ipv4, 8080, 'udp')).toBe(`api ${lan.remote4}`)

  function boxOn(name: string) {
    return world.createSandbox(name, { connect: [{ network: 'web' }] })
  }
})

/** A datagram from every port there is, without a socket for each. */
function sendFromAll(path: string, to: string): void {
  inNamespace(path, () => {
    const fd = socket(AF_INET, SOCK_RAW, IPPROTO_UDP)
    try {
      connect(fd, internetAddress(parseAddress(to), 0))
      // Ports from and to, the length, and no checksum.
      const datagram = Buffer.from([0, 0, 0, 9, 0, 8, 0, 0])
      for (let port = 1; port <= 65_535; port++) {
        datagram.writeUInt16BE(port, 0)
        send(fd, datagram, datagram.length)
      }
    } finally {
      close(fd)
    }
  })
}
