import { lstatSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { isCnmError, isKernelError } from '../../base/errors.ts'
import type { Survey, SurveyedLink, SurveyedNamespace, SurveyQuery } from '../kernel.ts'
import type { ElementResource, NeighbourResource } from '../resource.ts'
import type { Machinery } from './apply/machinery.ts'
import { hostRoutes } from './host/host-view.ts'
import { shapedLink } from './kinds/rate/shaping.ts'
import { type Place, Places } from './namespaces/place.ts'
import { listOwnedElements } from './nftables/elements/owned-elements.ts'
import { isOurs, ROUTE_PROTOCOL } from './ours.ts'
import { listAddresses } from './rtnetlink/address.ts'
import { type Link, listLinks } from './rtnetlink/link.ts'
import { listNeighbours } from './rtnetlink/neighbour.ts'
import { listRoutes, RT_SCOPE_LINK, RTN_UNICAST } from './rtnetlink/route.ts'
import { ownedByAnother, type Ruleset } from './ruleset/ruleset.ts'

const RT_SCOPE_HOST = 254

export function survey(machinery: Machinery, query: SurveyQuery): Survey {
  const all = listLinks(machinery.host.socket)
  const ours = all.filter(isOurs)
  const names = new Map(all.map(({ index, name }) => [index, name]))
  const kept = machinery.keeper?.mirror.all() ?? []
  return {
    links: ours.flatMap((link) => surveyedLink(link, names, ours)),
    namespaces: pathsIn(query.namespaceDir).flatMap((path) => {
      return surveyedNamespace(machinery, path, ours)
    }),
    neighbours: surveyedNeighbours(machinery.host, names),
    elements: query.tables.flatMap((table) => surveyedElements(machinery.ruleset, table)),
    ...(kept.length === 0 ? {} : { kept }),
  }
}

function surveyedLink(
  { kind, name, master }: Link,
  names: ReadonlyMap<number, string>,
  ours: readonly Link[],
): SurveyedLink[] {
  if (kind === 'ifb') return [{ name, type: kind, shapes: shapedLink(name, ours) }]
  if (kind !== 'bridge' && kind !== 'veth') return []
  const bridge = master === undefined ? undefined : names.get(master)
  const link: SurveyedLink = { name, type: kind, ...(bridge === undefined ? {} : { bridge }) }
  return [link]
}

function surveyedNeighbours(
  { socket }: Place,
  names: ReadonlyMap<number, string>,
): NeighbourResource[] {
  return listNeighbours(socket).flatMap(({ permanent, protocol, address, mac, link: index }) => {
    const link = names.get(index)
    if (!permanent || protocol !== ROUTE_PROTOCOL || !mac || link === undefined) return []
    return [{ kind: 'neighbour', link, address, mac }]
  })
}

function pathsIn(folder: string | undefined): string[] {
  if (folder === undefined) return []
  try {
    return readdirSync(folder).map((name) => join(folder, name))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}

function surveyedNamespace(
  { namespaces, host }: Machinery,
  path: string,
  ours: readonly Link[],
): SurveyedNamespace[] {
  const places = new Places(namespaces, host)
  try {
    return [whatIsIn(places.at({ path }), path, ours)]
  } catch (error) {
    // There is one; what is in it is its root's doing.
    if (isKernelError(error)) return [{ path, links: [], routes: [] }]
    if (!isCnmError(error, 'NAMESPACE_NOT_FOUND')) throw error
    // A crash between making the file and mounting the namespace leaves an empty file.
    const isLeftOver = isEmptyFile(path)
    return isLeftOver ? [{ path, links: [], routes: [] }] : []
  } finally {
    places.close()
  }
}

function isEmptyFile(path: string): boolean {
  const there = lstatSync(path, { throwIfNoEntry: false })
  return there?.isFile() === true && there.size === 0
}

function whatIsIn({ socket }: Place, path: string, ours: readonly Link[]): SurveyedNamespace {
  const links = listLinks(socket)
  const names = new Map(links.map(({ index, name }) => [index, name]))
  const addresses = listAddresses(socket).filter(
    ({ scope }) => scope !== RT_SCOPE_LINK && scope !== RT_SCOPE_HOST,
  )
  return {
    path,
    links: links.flatMap(({ index, name, mac, mtu, peer, kind }) => {
      if (name === 'lo' || mac === undefined) return []
      const hostEnd = ours.find((end) => end.index === peer && end.peer === index)
      return [
        {
          name,
          mac,
          mtu,
          ...(hostEnd === undefined || kind !== 'veth' ? {} : { hostEnd: hostEnd.name }),
          addresses: addresses.filter(({ link }) => link === index).map(({ address }) => address),
        },
      ]
    }),
    routes: listRoutes(socket)
      .filter(({ type }) => type === RTN_UNICAST)
      .flatMap((route) => hostRoutes(route, names)),
  }
}

/** Elements that say whose they are. A table that somebody living owns is another engine's. */
function surveyedElements(
  ruleset: Ruleset,
  table: SurveyQuery['tables'][number],
): ElementResource[] {
  const { family, name } = table
  const there = ruleset.find(table)
  if (there === undefined) return []
  if (ruleset.isAnothers(there)) throw ownedByAnother(table)
  return listOwnedElements(ruleset.socket, table).map(
    ({ set, key, value, run, owner }): ElementResource => ({
      ...{ kind: 'element', family, table: name, set, key },
      ...(value === undefined ? {} : { value }),
      ...(run === undefined ? {} : { run }),
      owner,
    }),
  )
}
