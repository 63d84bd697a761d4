import type { Command } from 'commander'
import { removeCommandOf } from '../output/removing.ts'
import { endpointArgument, findEndpoint, isMissing } from './find.ts'

export function removeCommand(): Command {
  return removeCommandOf({
    description: 'remove endpoints; they leave their sandboxes first',
    argument: ['<endpoint...>', endpointArgument],
    force: 'one that is not there is no error',
    examples: '  cnm endpoint rm web/db',
    remove: async (cnm, name) => (await findEndpoint(cnm, name)).delete(),
    isMissing,
  })
}
