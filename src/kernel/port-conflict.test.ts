import { describe, expect, it } from 'vitest'
import type { IpAddress } from '../address/address.ts'
import { holdsOneOf, portInUse } from './port-conflict.ts'

const at = (address: string) => address as IpAddress
const wanted = (address: string) => {
  return { protocol: 'tcp', address: at(address), ports: { from: 80, to: 90 } } as const
}
const holder = (address: string, port = 80) => {
  return { protocol: 'tcp', address: at(address), port } as const
}

describe('a socket', () => {
  it.each([
    ['127.0.0.1', '127.0.0.1', true],
    ['127.0.0.1', '0.0.0.0', true],
    ['127.0.0.1', '::', true],
    ['127.0.0.1', '127.0.0.2', false],
    ['127.0.0.1', '::1', false],
    ['0.0.0.0', '127.0.0.1', true],
    ['::', '::1', true],
    ['::', '::', true],
    ['::', '0.0.0.0', false],
    ['::1', '::2', false],
  ])('is in the way of %s at %s: %s', (ports, address, expected) => {
    expect(holdsOneOf(wanted(ports), holder(address))).toBe(expected)
  })

  it('for IPv6 only is in no other socket’s way', () => {
    expect(holdsOneOf(wanted('0.0.0.0'), holder('::'), { ipv6Only: true })).toBe(false)
    expect(holdsOneOf(wanted('::'), holder('::'), { ipv6Only: true })).toBe(true)
  })

  it('is in the way with one of the ports, and the same protocol', () => {
    const ports = [79, 80, 90, 91]
    expect(ports.map((port) => holdsOneOf(wanted('0.0.0.0'), holder('0.0.0.0', port)))).toEqual([
      false,
      true,
      true,
      false,
    ])
    const udp = { ...holder('0.0.0.0'), protocol: 'udp' } as const
    expect(holdsOneOf(wanted('0.0.0.0'), udp)).toBe(false)
  })
})

describe('the refusal', () => {
  it('names who is in the way', () => {
    const nginx = { ...holder('0.0.0.0'), pid: 812, process: 'nginx' }
    expect(portInUse(wanted('127.0.0.1'), nginx, 'key')).toMatchObject({
      code: 'PORT_IN_USE',
      message: 'port 80/tcp is held by nginx (pid 812)',
      details: { ...nginx, wanted: '127.0.0.1 80-90', resource: 'key' },
    })
    const { message } = portInUse(wanted('127.0.0.1'), holder('0.0.0.0'), 'key')
    expect(message).toBe('port 80/tcp is held by a process')
  })
})
