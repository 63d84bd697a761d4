import { LINK_GROUP } from '../../link-groups.ts'
import type { Step, Transaction } from '../apply/transaction.ts'
import { type Link, newIfb } from '../rtnetlink/link.ts'
import { type LinkWish, makeLinks } from './make-links.ts'
import { ownLink } from './own-link.ts'
import { retireLink } from './retire.ts'

/** The name of the link on which is shaped what comes in on that one. */
export function ifbName(link: string): string {
  return `ifb${link.replace(/^veth/, '').slice(-12)}`
}

/** Which of these links that one belongs to; if there is none such, its name by all appearances. */
export function shapedLink(ifb: string, links: readonly Link[]): string {
  return links.find(({ name }) => ifbName(name) === ifb)?.name ?? ifb.replace(/^ifb/, 'veth')
}

/** Links for others' packets to be redirected to: made, or found. A new one is still down. */
export function makeIfbs(
  transaction: Transaction,
  ifbs: readonly { readonly name: string; readonly key: string }[],
): void {
  const wishes = ifbs.map(({ name, key }): LinkWish => {
    return {
      name,
      kind: 'ifb',
      key,
      message: newIfb({ name, group: LINK_GROUP }),
      adjust: () => true,
    }
  })
  makeLinks(transaction, wishes)
}

/** Takes the link that belongs to that one down and out of our group; see `retireLink`. */
export function retireIfb(transaction: Transaction, link: string, key: string): Step[] {
  const ifb = ownLink(transaction.host, ifbName(link), 'ifb')
  return ifb === undefined ? [] : [retireLink(transaction, ifb, key, true)]
}
