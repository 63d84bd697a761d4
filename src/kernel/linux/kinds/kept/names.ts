import type { Kind } from '../kind.ts'
import { compareKept } from './kept.ts'

/** There is nothing but what the keeper is told. */
export const names: Kind<'names'> = { apply: {}, compare: compareKept }
