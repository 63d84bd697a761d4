import type { Command } from 'commander'
import { isCnmError } from '../../base/errors.ts'
import { removeCommandOf } from '../output/removing.ts'

export function removeCommand(): Command {
  return removeCommandOf({
    description: 'remove sandboxes with their endpoints; what was adopted stays, without our links',
    argument: ['<sandbox...>', 'names, ids or beginnings of ids'],
    force: 'one that is not there is no error',
    examples: '  cnm sandbox rm api db',
    remove: async (cnm, name) => cnm.sandbox(name).delete(),
    isMissing: (error) => isCnmError(error, 'SANDBOX_NOT_FOUND'),
  })
}
