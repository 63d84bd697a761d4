import { describe, expect, it } from 'vitest'
import type { IpAddress } from '../../../address/address.ts'
import type { RelayResource, ResolverResource, ZoneResource } from '../../kept-resource.ts'
import { resourceKey } from '../../resource.ts'
import { Mirror } from './mirror.ts'

const resolver: ResolverResource = {
  kind: 'resolver',
  namespace: { path: '/proc/7/ns/net', cookie: '4097' },
  sandbox: 'one',
}
const zone: ZoneResource = {
  kind: 'zone',
  name: 'cnm.internal',
  listen: '127.0.0.153' as IpAddress,
}
const relay: RelayResource = {
  kind: 'relay',
  protocol: 'tcp',
  listen: { address: '::1' as IpAddress, port: 8080 },
  to: { address: 'fd77::2' as IpAddress, port: 80 },
}

function mirror(): Mirror {
  const made = new Mirror()
  for (const each of [resolver, zone, relay]) made.set(resourceKey(each), each)
  return made
}

describe('what the keeper is known to have', () => {
  it('is the same where only absent properties differ', () => {
    const kept = mirror()
    expect(kept.hasSame({ ...resolver, servers: undefined } as unknown as ResolverResource)).toBe(
      true,
    )
    expect(kept.hasSame({ ...resolver, ndots: true })).toBe(false)
    expect(kept.hasSame({ ...relay, to: { ...relay.to, port: 81 } })).toBe(false)
  })

  it('has its sockets in one place: another needs others', () => {
    const kept = mirror()
    expect(kept.hasSocketsOf({ ...resolver, ndots: true })).toBe(true)
    expect(kept.hasSocketsOf({ ...relay, to: { ...relay.to, port: 81 } })).toBe(true)
    const again = { path: resolver.namespace.path, cookie: '4098' }
    expect(kept.hasSocketsOf({ ...resolver, namespace: again })).toBe(false)
    expect(kept.hasSocketsOf({ ...zone, listen: '127.0.0.154' as IpAddress })).toBe(false)
    expect(kept.hasSocketsOf({ ...relay, protocol: 'udp' })).toBe(false)
  })

  it('says where it listens on the host, as long as it does', () => {
    const kept = mirror()
    const ear = { protocol: 'tcp', ...relay.listen } as const
    const udp = { protocol: 'udp', address: zone.listen, port: 61053 } as const
    const theirs = { ...udp, port: 53 }
    expect([kept.listeners.has(ear), kept.listeners.has(udp)]).toEqual([true, true])
    expect(kept.listeners.has(theirs)).toBe(false)
    kept.set(resourceKey(relay), undefined)
    kept.set(resourceKey(zone), { ...zone, listen: '127.0.0.154' as IpAddress })
    expect([kept.listeners.has(ear), kept.listeners.has(udp)]).toEqual([false, false])
    expect(kept.listeners.has({ ...udp, address: '127.0.0.154' as IpAddress })).toBe(true)
    kept.clear()
    expect(kept.listeners.has({ ...udp, address: '127.0.0.154' as IpAddress })).toBe(false)
  })
})
