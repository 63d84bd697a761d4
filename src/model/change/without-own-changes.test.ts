import { describe, expect, it } from 'vitest'
import type { HostLink, HostView } from '../../kernel/kernel.ts'
import { withoutOwnChanges } from './without-own-changes.ts'

const off = { forwarding4: false, forwarding6: false, routeLocalnet: false, acceptRa6: 0 } as const

function view(link: Partial<HostLink>, host: Partial<HostView> = {}): HostView {
  return {
    links: [{ name: 'eth0', mtu: 1500, type: 'device', ours: false, ...off, ...link }],
    routes: [],
    addresses: [],
    outward: [],
    forceForwarding6: true,
    allForwarding4: false,
    allForwarding6: false,
    ephemeralPorts: { from: 32768, to: 60999 },
    reservedPorts: [],
    dockerUser: [],
    resolver: { search: [], options: [] },
    ...host,
  }
}

/** The link as drivers see it, if those sysctls of it are ours, with the values they get back. */
function seen(given: HostView, ours: Readonly<Record<string, string>> = {}) {
  const shown = withoutOwnChanges(given, (sysctl) => ours[sysctl])
  const { forwarding4, forwarding6, routeLocalnet, acceptRa6 } = shown.links[0]!
  return { forwarding4, forwarding6, routeLocalnet, acceptRa6 }
}

const ours4 = { 'net/ipv4/conf/eth0/forwarding': '0' }
const ours6 = { 'net/ipv6/conf/eth0/force_forwarding': '0' }
const oursAll = { 'net/ipv6/conf/all/forwarding': '0' }

describe('a host without us', () => {
  it('is as it is where nothing is ours', () => {
    const on = { forwarding4: true, forwarding6: true, routeLocalnet: true, acceptRa6: 2 } as const
    expect(seen(view(on))).toEqual(on)
    expect(seen(view(off))).toEqual(off)
  })

  it('forwards nowhere where only we have switched it on', () => {
    expect(seen(view({ forwarding4: true }), ours4)).toEqual(off)
    expect(seen(view({ forwarding6: true }), ours6)).toEqual(off)
  })

  it('forwards on our link, too, if another program has made a router of it', () => {
    const all4 = view({ forwarding4: true }, { allForwarding4: true })
    expect(seen(all4, ours4).forwarding4).toBe(true)
    const all6 = view({ forwarding6: true }, { allForwarding6: true })
    expect(seen(all6, ours6).forwarding6).toBe(true)
  })

  it('is no router where we had to make one of it', () => {
    const all = view({ forwarding6: true }, { forceForwarding6: false, allForwarding6: true })
    expect(
      withoutOwnChanges(all, (sysctl) => (oursAll as Record<string, string>)[sysctl]),
    ).toMatchObject({
      allForwarding6: false,
    })
    expect(seen(all, oursAll).forwarding6).toBe(false)
    expect(seen(all).forwarding6).toBe(true)
  })

  it('serves 127.0.0.1 and believes routers as it did before', () => {
    const given = view({ routeLocalnet: true, acceptRa6: 2 })
    const ours = {
      'net/ipv4/conf/eth0/route_localnet': '0',
      'net/ipv6/conf/eth0/accept_ra': '1',
    }
    expect(seen(given, ours)).toEqual({ ...off, acceptRa6: 1 })
    // Another program has changed it since.
    expect(seen(view({ acceptRa6: 0 }), ours).acceptRa6).toBe(0)
  })
})
