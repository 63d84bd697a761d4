import { CnmError, isCnmError } from '../../base/errors.ts'
import { shortId } from '../../base/id.ts'
import type { Controller, Endpoint, EndpointInfo } from '../../client/client.ts'

/** `info` is absent where nothing was asked yet: it may be the beginning of an id. */
interface Found {
  readonly endpoint: Endpoint
  readonly info?: EndpointInfo
}

/** What `findEndpoint` finds, as it is. */
export async function inspectEndpoint(cnm: Controller, text: string): Promise<EndpointInfo> {
  const { endpoint, info } = await find(cnm, text)
  return info ?? endpoint.inspect()
}

/**
 * By id or the beginning of it, by name where only one network has that name, or as `NETWORK/NAME`. Errors:
 * ENDPOINT_NOT_FOUND, AMBIGUOUS_NAME, NETWORK_NOT_FOUND.
 */
export async function findEndpoint(cnm: Controller, text: string): Promise<Endpoint> {
  return (await find(cnm, text)).endpoint
}

async function find(cnm: Controller, text: string): Promise<Found> {
  const slash = text.indexOf('/')
  const network = slash === -1 ? undefined : text.slice(0, slash)
  const name = text.slice(slash + 1)
  const all = await cnm.endpoints(network === undefined ? {} : { network })
  const [found, ...more] = all.filter((each) => each.name === name)
  if (found === undefined) {
    if (network === undefined) return { endpoint: cnm.endpoint(text) }
    throw new CnmError('ENDPOINT_NOT_FOUND', `network "${network}" has no endpoint "${name}"`, {
      details: { network, endpoint: name },
      hint: '"cnm endpoint ls" lists all',
    })
  }
  if (more.length === 0) return { endpoint: found, info: found.info }
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
