import { openSync, readlinkSync } from 'node:fs'
import { expect, it } from 'vitest'
import type { IpAddress } from '../../address/address.ts'
import { tcpSocketOn, udpSocketOn } from './node-sockets.ts'

for (const [name, open] of [
  ['tcp', (fd: number) => tcpSocketOn(fd)],
  ['udp', (fd: number) => udpSocketOn(fd, '127.0.0.1' as IpAddress)],
] as const) {
  it(`${name}: closes a descriptor that is refused`, () => {
    const fd = openSync('/dev/null', 'r')
    expect(() => open(fd)).toThrow()
    expect(() => readlinkSync(`/proc/self/fd/${fd}`)).toThrow('ENOENT')
  })
}
