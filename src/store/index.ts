/// <reference types="node" preserve="true" />

/**
 * libcnm/store: for authors of stores, where an engine keeps its records. Loads no native code.
 *
 * @packageDocumentation
 */

export { CnmError, isCnmError } from '../base/errors.ts'
export type * from './store.ts'
export { checkWrites, durableKinds, recordKey } from './store.ts'
