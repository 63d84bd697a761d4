import type { HostLink, HostView } from '../../kernel/kernel.ts'

/**
 * The host as it would be without us: drivers must not take for the host's what is our own doing, or
 * they would not describe it again. `restored` is the value that a sysctl of ours gets back.
 */
export function withoutOwnChanges(
  view: HostView,
  restored: (sysctl: string) => string | undefined,
): HostView {
  // A kernel with force_forwarding is never switched to forwarding as a whole by us.
  const allIsOurs = !view.forceForwarding6 && restored('net/ipv6/conf/all/forwarding') === '0'
  const allForwarding6 = view.allForwarding6 && !allIsOurs
  return {
    ...view,
    allForwarding6,
    links: view.links.map((link): HostLink => {
      const { name } = link
      const acceptRa6 = restored(`net/ipv6/conf/${name}/accept_ra`)
      return {
        ...link,
        // Where another program has made a router of the whole host since, that link is no exception.
        forwarding4:
          link.forwarding4 &&
          (view.allForwarding4 || restored(`net/ipv4/conf/${name}/forwarding`) !== '0'),
        forwarding6:
          allForwarding6 ||
          (link.forwarding6 &&
            !view.allForwarding6 &&
            restored(`net/ipv6/conf/${name}/force_forwarding`) !== '0'),
        routeLocalnet:
          link.routeLocalnet && restored(`net/ipv4/conf/${name}/route_localnet`) !== '0',
        acceptRa6: acceptRa6 === '1' && link.acceptRa6 === 2 ? 1 : link.acceptRa6,
      }
    }),
  }
}
