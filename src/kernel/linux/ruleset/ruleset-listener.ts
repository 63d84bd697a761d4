import { NFNL_SUBSYS_NFTABLES, NFNLGRP_NFTABLES } from '../netlink/netfilter.ts'
import { joinGroup, leaveGroup, type NetlinkSocket } from '../netlink/netlink-socket.ts'
import type { Batch } from '../nftables/batch.ts'
import { generation, generationAfter } from '../nftables/generation.ts'

/** Notifications of less than this are no trouble. */
const LONG = 8 << 10

/**
 * The socket on which this process hears what becomes of the ruleset. For a listener the kernel
 * writes a message for every element that comes or goes: of our own ten thousand that takes as long as
 * the change itself, and more than the socket holds. So it doesn't listen meanwhile.
 */
export class RulesetListener {
  #fd: number | undefined
  #hasMissed = false

  /** From now on there is one: in group NFNLGRP_NFTABLES, perhaps another thread's. */
  set(fd: number): void {
    this.#fd = fd
  }

  /** As `batch.commit`; what is long isn't heard. */
  commit(socket: NetlinkSocket, batch: Batch, last?: number): void {
    if (this.#fd === undefined || batch.bytes < LONG) batch.commit(socket, last)
    else this.#commitUnheard(socket, batch, this.#fd, last)
  }

  /** Whether others may have changed something unheard since this was last asked. */
  takeMissed(): boolean {
    const missed = this.#hasMissed
    this.#hasMissed = false
    return missed
  }

  #commitUnheard(socket: NetlinkSocket, batch: Batch, fd: number, last?: number): void {
    let expected = generation(socket)
    // Of those up to this number, all has been told then.
    socket.awaitTransaction(NFNL_SUBSYS_NFTABLES)
    leaveGroup(fd, NFNLGRP_NFTABLES)
    let isAllHeard = false
    try {
      batch.commit(socket, last)
      expected = generationAfter(expected)
    } finally {
      try {
        joinGroup(fd, NFNLGRP_NFTABLES)
        isAllHeard = generation(socket) === expected
      } finally {
        this.#hasMissed ||= !isAllHeard
      }
    }
  }
}
