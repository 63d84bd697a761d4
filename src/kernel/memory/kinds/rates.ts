import type { RateResource } from '../../resource.ts'
import { noted, putNoted } from './noted.ts'
import type { Verbs } from './verbs.ts'

export const rates: Verbs<RateResource> = {
  ...noted<RateResource>(rateLine),

  put(machine, resource) {
    const { link } = resource
    if (machine.host.links.get(link)?.resource?.kind !== 'veth') {
      throw machine.refusal('RTM_GETLINK', 'ENODEV', 'there is no such link of ours', link)
    }
    putNoted(machine, resource)
  },
}

function rateLine({ link, toSandbox, fromSandbox }: RateResource): string {
  const rate = (direction: string, bits: number | undefined) =>
    bits === undefined ? '' : ` ${direction} ${bits}bit`
  return `tc qdisc replace dev ${link}${rate('root tbf rate', toSandbox)}${rate('ingress ifb tbf rate', fromSandbox)}`
}
