import type { Command } from 'commander'
import { isCnmError } from '../../base/errors.ts'
import { removeCommandOf } from '../output/removing.ts'

export function removeCommand(): Command {
  return removeCommandOf({
    description: 'remove networks',
    argument: ['<network...>', 'names, ids or beginnings of ids'],
    force: 'with their endpoints; one that is not there is no error',
    examples: '  cnm network rm web back\n  cnm network rm --force web',
    remove: async (cnm, name, force) => cnm.network(name).delete({ force }),
    isMissing: (error) => isCnmError(error, 'NETWORK_NOT_FOUND'),
  })
}
