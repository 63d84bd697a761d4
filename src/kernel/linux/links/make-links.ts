import { CnmError, type KernelError } from '../../../base/errors.ts'
import type { Step, Transaction } from '../apply/transaction.ts'
import type { NetnsHandle } from '../namespaces/netns-handle.ts'
import type { Message } from '../netlink/message.ts'
import { isAlive, isOurs, retiredName } from '../ours.ts'
import { getLink, type Link, renameLink, setLink } from '../rtnetlink/link.ts'
import { findLink, type OwnKind } from './own-link.ts'
import { portSettingsOf } from './port-settings.ts'
import { rememberFixed } from './remember.ts'
import { retireLink } from './retire.ts'

/** A link of ours that has to be there. */
export interface LinkWish {
  readonly name: string
  readonly kind: OwnKind
  readonly key: string
  readonly message: Message
  /** Whether a link of that name and kind is ours, though its group doesn't say so. */
  knows?(found: Link): boolean
  /** Makes a link of that name and kind what it should be; false: it has to be made anew. */
  adjust(found: Link): boolean
  /** Throws what it is really about, where the kernel's word for it doesn't say so. */
  refused?(error: KernelError): void
  /** Undoes what making the link did elsewhere than on the host. */
  release?(made: Link): void
}

/** They are all made, or found, at once. */
export function makeLinks(transaction: Transaction, wishes: readonly LinkWish[]): void {
  transaction.send(
    transaction.host.socket,
    wishes.map((wish) => ({
      ...making(transaction, wish),
      refused: (error) => {
        wish.refused?.(error)
        return error.errno === 'EEXIST' && settle(transaction, wish)
      },
    })),
  )
}

function making(transaction: Transaction, { name, key, message, release }: LinkWish): Step {
  const { host } = transaction
  const undo = () => {
    const link = getLink(host.socket, host.index(name))
    release?.(link)
    host.socket.request(retireLink(transaction, link, key, true).message)
    transaction.addRetiredLink(link.index)
    host.socket.request(renameLink(link.index, retiredName(link.index)))
  }
  return { key, message, undo }
}

/**
 * There is a link of that name: ours (it is adjusted), one that is going (it makes room), or one with
 * another owner (LINK_EXISTS).
 */
function settle(transaction: Transaction, wish: LinkWish): true {
  const link = findLink(transaction.host, wish.name)
  if (link === undefined) {
    // One that was going has just gone, or it is the other end's name that is taken.
    transaction.send(transaction.host.socket, [making(transaction, wish)])
    return true
  }
  if (isAlive(link)) {
    const isOwn = link.kind === wish.kind && (isOurs(link) || wish.knows?.(link))
    if (!isOwn) throw foreignLink(wish.name, link)
    if (wish.adjust(link)) return true
    const restore = rememberFixed(transaction, link, wish.key)
    transaction.send(transaction.host.socket, [retireLink(transaction, link, wish.key, true)])
    makeRoom(transaction, link, wish.key)
    transaction.send(transaction.host.socket, [making(transaction, wish)])
    restore()
    return true
  }
  makeRoom(transaction, link, wish.key)
  transaction.send(transaction.host.socket, [making(transaction, wish)])
  return true
}

/** Equivalent to: `ip link set LINK name …`, for a link that is going. */
function makeRoom(transaction: Transaction, link: Link, key: string): void {
  const { host } = transaction
  transaction.send(host.socket, [
    {
      key,
      message: renameLink(link.index, retiredName(link.index)),
      undo: () => host.socket.request(renameLink(link.index, link.name)),
      // It is gone already.
      refused: ({ errno }) => errno === 'ENODEV',
    },
  ])
}

/** Makes a link of ours what it should be, where it isn't. It is up afterwards. */
export function adjustLink(
  transaction: Transaction,
  netns: NetnsHandle,
  link: Link,
  wanted: Partial<Pick<Link, 'mtu' | 'mac' | 'master' | 'group' | 'maxLearned'>>,
  key: string,
): void {
  const { mtu, mac, master, group, maxLearned = link.maxLearned } = wanted
  const isBounded = link.maxLearned === undefined || maxLearned === link.maxLearned
  const change = {
    ...(mtu === undefined || mtu === link.mtu ? {} : { mtu }),
    ...(mac === undefined || mac === link.mac ? {} : { mac }),
    ...(master === undefined || master === link.master ? {} : { master }),
    ...(group === undefined || group === link.group ? {} : { group }),
    ...(isBounded ? {} : { maxLearned }),
    ...(link.up ? {} : { up: true }),
  }
  if (Object.keys(change).length === 0) return
  const back = {
    ...('mtu' in change ? { mtu: link.mtu } : {}),
    ...('mac' in change && link.mac !== undefined ? { mac: link.mac } : {}),
    ...('master' in change ? { master: link.master ?? 0 } : {}),
    ...('group' in change ? { group: link.group } : {}),
    ...('maxLearned' in change ? { maxLearned: link.maxLearned } : {}),
    ...('up' in change ? { up: false } : {}),
  }
  transaction.send(netns.socket, [
    {
      key,
      message: setLink(link.index, change),
      undo: () => {
        netns.socket.request(setLink(link.index, back))
        // A port's own settings don't survive a change of the bridge.
        if (link.master !== undefined && 'master' in change) {
          netns.socket.request(setLink(link.index, portSettingsOf(link)))
        }
      },
    },
  ])
}

export function foreignLink(name: string, link: Link): CnmError {
  return new CnmError('LINK_EXISTS', `there is a link ${name} already, and it isn't ours`, {
    details: { link: name, type: link.kind ?? 'device' },
    hint: `delete or rename it (\`ip link set ${name} name …\`), or use another name`,
  })
}
