import type { ConsentResource } from '../../resource.ts'
import { foundNoted, noted, putNoted } from './noted.ts'
import type { Verbs } from './verbs.ts'

/** Where there is no chain, there is nothing to do and nothing missing. */
export const consents: Verbs<ConsentResource> = {
  ...noted<ConsentResource>(consentLine),

  put(machine, consent) {
    if (machine.userChains.has(consent.family)) putNoted(machine, consent)
  },

  found(machine, consent) {
    if (!machine.userChains.has(consent.family)) return consent
    return foundNoted(machine, consent)
  },
}

function consentLine({ family, mark }: ConsentResource): string {
  const command = family === 'ip' ? 'iptables' : 'ip6tables'
  return `${command} -A DOCKER-USER -m mark --mark ${mark}/${mark} -m comment --comment cnm -j ACCEPT`
}
