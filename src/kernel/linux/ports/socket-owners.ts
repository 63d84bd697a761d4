import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

interface SocketOwner {
  readonly pid: number
  readonly process: string
}

/**
 * Who has the sockets with these inodes: of several processes the one with the lowest number, which
 * as a rule is the one that began. It walks through the descriptors of all processes.
 */
export function findSocketOwners(inodes: Iterable<number>): ReadonlyMap<number, SocketOwner> {
  const wanted = new Map([...inodes].map((inode) => [`socket:[${inode}]`, inode]))
  const owners = new Map<number, SocketOwner>()
  for (const pid of processes()) {
    if (wanted.size === 0) break
    for (const target of descriptorsOf(pid)) {
      const inode = wanted.get(target)
      if (inode === undefined) continue
      wanted.delete(target)
      owners.set(inode, { pid, process: nameOf(pid) })
    }
  }
  return owners
}

function processes(): number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => pid > 0)
    .sort((a, b) => a - b)
}

/** What they lead to; nothing of a process that is gone or not to be looked into. */
function descriptorsOf(pid: number): string[] {
  const folder = `/proc/${pid}/fd`
  return attempt(() => readdirSync(folder), []).map((fd) =>
    attempt(() => readlinkSync(`${folder}/${fd}`), ''),
  )
}

/** It calls itself so: whatever a terminal would take for more than a letter is left out. */
function nameOf(pid: number): string {
  const name = attempt(() => readFileSync(`/proc/${pid}/comm`, 'utf8').trim(), '')
  return name.replace(/[^\x20-\x7e]/g, '?') || 'a process'
}

function attempt<T>(work: () => T, otherwise: T): T {
  try {
    return work()
  } catch {
    return otherwise
  }
}
