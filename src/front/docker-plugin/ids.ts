import { CnmError } from '../../base/errors.ts'
import type { EndpointId, NetworkId } from '../../base/id.ts'

export const networkId = (text: string) => checked(text, 'NetworkID') as NetworkId
export const endpointId = (text: string) => checked(text, 'EndpointID') as EndpointId

/** Docker's ids are ours. Names of links are made of them. */
function checked(text: string, key: string): string {
  if (/^[0-9a-f]{64}$/.test(text)) return text
  throw new CnmError('INVALID_ARGUMENT', `${key} is ${JSON.stringify(text)}, no id`, {
    details: { [key]: text },
    hint: 'ids have 64 hexadecimal digits; those of a swarm are not supported',
  })
}
