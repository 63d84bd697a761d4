import { type CnmError, type ErrorCode, type ErrorKind, isCnmError } from '../../../base/errors.ts'

/** An answer that is an error: a status, and the sentence that Docker's clients show. */
export class DockerError extends Error {
  override readonly name = 'DockerError'
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

export const invalid = (message: string) => new DockerError(400, message)
export const forbidden = (message: string) => new DockerError(403, message)
export const pageNotFound = () => new DockerError(404, 'page not found')

const statuses: Readonly<Record<ErrorKind, number>> = {
  invalid: 400,
  'not-found': 404,
  conflict: 409,
  forbidden: 403,
  unavailable: 503,
  'not-implemented': 501,
  cancelled: 500,
  internal: 500,
}

/** Docker says Forbidden where the thing asked for is another's already. */
const forbiddenCodes: readonly ErrorCode[] = [
  'NETWORK_IN_USE',
  'POOL_OVERLAP',
  'ADDRESS_IN_USE',
  'LINK_EXISTS',
  'ALREADY_CONNECTED',
  'ENDPOINT_EXISTS',
  'ENDPOINT_IN_USE',
]

/** What went wrong, with Docker's status, and with its words where scripts look for them. */
export function dockerError(error: unknown): DockerError {
  if (error instanceof DockerError) return error
  if (!isCnmError(error)) {
    return new DockerError(500, error instanceof Error ? error.message : String(error))
  }
  const status = forbiddenCodes.includes(error.code) ? 403 : statuses[error.kind]
  return known(error) ?? new DockerError(status, sentence(error))
}

function known(error: CnmError): DockerError | undefined {
  const { details } = error
  switch (error.code) {
    case 'NETWORK_EXISTS':
      return new DockerError(409, `network with name ${details.network} already exists`)
    case 'NETWORK_IN_USE':
      return forbidden(`error while removing network: ${activeEndpoints(error)}`)
    case 'POOL_OVERLAP':
      return forbidden(
        `invalid pool request: Pool overlaps with other one on this address space: ${error.message}`,
      )
    case 'ADDRESS_IN_USE':
      return forbidden(`Address already in use: ${error.message}`)
    case 'ADDRESSES_EXHAUSTED':
      // Of a network that is to be made, its subnet; of an endpoint, an address.
      return new DockerError(details.avoided === undefined ? 500 : 400, sentence(error))
    case 'UNKNOWN_DRIVER':
      return unknownDriver(String(details.driver))
    case 'UNKNOWN_IPAM':
      return new DockerError(404, `plugin "${details.ipam}" not found`)
    default:
      return undefined
  }
}

function unknownDriver(driver: string): DockerError {
  if (driver !== 'overlay') return new DockerError(404, `plugin "${driver}" not found`)
  return forbidden(
    'This node is not a swarm manager. There are no overlay networks here that need a swarm.',
  )
}

function activeEndpoints({ message, details }: CnmError): string {
  const { network, endpoints } = details
  if (!Array.isArray(endpoints)) return message
  const texts = (endpoints as { name: string; id: string }[]).map(
    ({ name, id }) => `name:"${name}" id:"${id.slice(0, 12)}"`,
  )
  return `network ${network} has active endpoints (${texts.join(', ')})`
}

function sentence({ message, hint }: CnmError): string {
  return hint === undefined ? message : `${message}; ${hint}`
}
