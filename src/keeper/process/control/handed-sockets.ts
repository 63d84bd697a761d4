import type { KeptResource } from '../../../kernel/kept-resource.ts'
import { socketKind } from '../../../kernel/linux/service/index.ts'

/**
 * Why these can't be the sockets of that resource. `isHeld`: it is there already, so that it may keep
 * those it has.
 */
export function socketFault(
  resource: KeptResource,
  count: number,
  sockets: readonly number[],
  isHeld: boolean,
): string | undefined {
  const kinds = kindsOf(resource)
  if (count === 0 && (isHeld || kinds.length === 0)) return undefined
  if (count !== kinds.length) return `needs ${kinds.length} sockets, not ${count}`
  if (sockets.length !== count) return `${sockets.length} of its ${count} sockets have come`
  const wrong = kinds.findIndex((kind, index) => socketKind(sockets[index]!) !== kind)
  return wrong < 0 ? undefined : `its socket ${wrong + 1} is no ${kinds[wrong]} socket`
}

function kindsOf(resource: KeptResource): readonly ('udp' | 'tcp listener')[] {
  switch (resource.kind) {
    case 'resolver':
    case 'zone':
      return ['udp', 'tcp listener']
    case 'relay':
      return [resource.protocol === 'udp' ? 'udp' : 'tcp listener']
    case 'names':
      return []
  }
}
