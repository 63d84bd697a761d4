import { socketText } from '../../../address/address.ts'
import type {
  NamesResource,
  ResolverResource,
  Upstream,
  ZoneResource,
} from '../../kept-resource.ts'
import { noted, putNoted } from './noted.ts'
import type { Verbs } from './verbs.ts'

export const resolvers: Verbs<ResolverResource> = {
  ...noted<ResolverResource>(
    ({ namespace, servers }) => `# resolver in ${namespace.path}${serversNote(servers)}`,
  ),

  put(machine, resource) {
    machine.enter(resource.namespace)
    putNoted(machine, resource)
  },
}

export const names: Verbs<NamesResource> = noted(namesLine)

export const zones: Verbs<ZoneResource> = noted(
  ({ listen, name }) => `# resolver of the host at ${listen} for ${name}`,
)

function namesLine({ names, addresses, network, own, outside, servers }: NamesResource): string {
  const others = Object.entries(own).map(([name, at]) => `; ${name} ${at.join(' ')}`)
  const where = outside ? '' : ', nothing outside'
  const of = `${names.join(' ')} on ${network.name}`
  return `# names of ${of}: ${addresses.join(' ')}${others.join('')}${where}${serversNote(servers)}`
}

function serversNote(servers: readonly Upstream[] | undefined): string {
  if (servers === undefined) return ''
  return `, asks ${servers.map(socketText).join(' ')}`
}
