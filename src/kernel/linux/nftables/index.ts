/// <reference types="node" preserve="true" />

/** `libcnm/nftables`: nftables without libraries and programs, over a NetlinkSocket of `libcnm/netlink`. */

export type {
  ChainDefinition,
  DataType,
  Family,
  RuleDefinition,
  Selector,
  SetDefinition,
  Statement,
  TableDefinition,
} from '../../ruleset.ts'
export { Batch, type TableName } from './batch.ts'
export { compareTable } from './compare.ts'
export { NFT_TABLE_F_OWNER, NFT_TABLE_F_PERSIST } from './constants.ts'
export {
  type ChangeElementsOptions,
  changeElements,
} from './elements/change-elements.ts'
export type { Element, ElementChange } from './elements/element.ts'
export { RememberedElements } from './elements/remembered-elements.ts'
export {
  getElement,
  type ListedChain,
  type ListedRule,
  type ListedSet,
  type ListedTable,
  listChains,
  listElements,
  listRules,
  listSets,
  listTableElements,
  listTables,
} from './list.ts'
export type { Expression } from './rules/expression.ts'
export { deleteTable, ensureTable, replaceTable } from './table.ts'
