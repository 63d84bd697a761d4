import { CnmError, isCnmError } from '../../base/errors.ts'
import { shortId } from '../../base/id.ts'
import type { RemoteController } from '../../client/client.ts'
import type { RemoteEndpoint } from '../../client/remote-endpoint.ts'

/**
 * By id or the beginning of it, by name where only one network has that name, or as `NETWORK/NAME`. Errors:
 * ENDPOINT_NOT_FOUND, AMBIGUOUS_NAME, NETWORK_NOT_FOUND.
 */
export async function findEndpoint(cnm: RemoteController, text: string): Promise<RemoteEndpoint> {
  const slash = text.indexOf('/')
  const network = slash === -1 ? undefined : text.slice(0, slash)
  const name = text.slice(slash + 1)
  const all = await cnm.endpoints(network === undefined ? {} : { network })
  const [found, ...more] = all.filter((each) => each.name === name)
  if (found === undefined) {
    if (network === undefined) return cnm.endpoint(text)
    throw new CnmError('ENDPOINT_NOT_FOUND', `network "${network}" has no endpoint "${name}"`, {
      details: { network, endpoint: name },
      hint: '"cnm endpoint ls" lists all',
    })
  }
  if (more.length === 0) return found
  throw new CnmError('AMBIGUOUS_NAME', `several networks have an endpoint "${name}"`, {
    details: { endpoint: name, ids: [found, ...more].map(({ id }) => id) },
    hint: `give NETWORK/${name}, or its id (${[found, ...more].map(({ id }) => shortId(id)).join(', ')})`,
  })
}

export const endpointArgument =
  'NETWORK/NAME, an id, the beginning of one, or a name that is the only one'

/** One that isn't there. */
export function isMissing(error: unknown): boolean {
  return isCnmError(error, 'ENDPOINT_NOT_FOUND') || isCnmError(error, 'NETWORK_NOT_FOUND')
}
