import { lstatSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { isCnmError, isKernelError } from '../../../../base/errors.ts'
import type { SurveyedNamespace } from '../../../kernel.ts'
import type { Machinery } from '../../apply/machinery.ts'
import { hostRoutes } from '../../host/host-view.ts'
import { type NetnsHandle, NetnsHandles } from '../../namespaces/netns-handle.ts'
import { listAddresses } from '../../rtnetlink/address.ts'
import { type Link, listLinks } from '../../rtnetlink/link.ts'
import { listRoutes, RT_SCOPE_LINK, RTN_UNICAST } from '../../rtnetlink/route.ts'
import type { SurveyContext } from '../../survey/survey-context.ts'

const RT_SCOPE_HOST = 254

export function surveyedNamespaces(context: SurveyContext): SurveyedNamespace[] {
  const { machinery, query, links } = context
  return pathsIn(query.namespaceDir).flatMap((path) => surveyedNamespace(machinery, path, links))
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
  const handles = new NetnsHandles(namespaces, host)
  try {
    return [whatIsIn(handles.at({ path }), path, ours)]
  } catch (error) {
    // There is one; what is in it is its root's doing.
    if (isKernelError(error)) return [{ path, links: [], routes: [] }]
    if (!isCnmError(error, 'NAMESPACE_NOT_FOUND')) throw error
    // A crash between making the file and mounting the namespace leaves an empty file.
    const isLeftOver = isEmptyFile(path)
    return isLeftOver ? [{ path, links: [], routes: [] }] : []
  } finally {
    handles.close()
  }
}

function isEmptyFile(path: string): boolean {
  const there = lstatSync(path, { throwIfNoEntry: false })
  return there?.isFile() === true && there.size === 0
}

function whatIsIn({ socket }: NetnsHandle, path: string, ours: readonly Link[]): SurveyedNamespace {
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
