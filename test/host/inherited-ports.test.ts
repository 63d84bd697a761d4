import koffi from 'koffi'
import { describe, expect, it } from 'vitest'
import type { IpAddress } from '#dist/address/address.js'
import { close } from '#dist/kernel/linux/ffi/file.js'
import { namespaceCookie, socket } from '#dist/kernel/linux/ffi/socket.js'
import type { KeeperLink } from '#dist/kernel/linux/keeper/link.js'
import { PortReservations } from '#dist/kernel/linux/ports/port-reservations.js'
import { inNamespace } from '../support/echo.ts'
import { type ThrowAwayHost, throwAwayHost } from '../support/host.ts'
import { bindPort, canReservePorts, reservation } from '../support/ports.ts'

const duplicate = koffi.load(null).func('int dup(int)') as unknown as (fd: number) => number

/** Holds duplicates from one engine to the next, as a keeper does. */
class Holder implements Disposable {
  readonly held = new Map<string, readonly number[]>()
  #inherited = new Map<string, readonly number[]>()

  get link(): KeeperLink {
    return {
      hold: (label: string, fds: readonly number[]) => {
        for (const fd of this.held.get(label) ?? []) close(fd)
        if (fds.length > 0) this.held.set(label, fds.map(duplicate))
        else this.held.delete(label)
      },
      takeInherited: (label: string) => {
        const taken = [...this.#inherited].filter(([name]) => name.startsWith(label))
        this.#inherited.clear()
        return taken
      },
    } as unknown as KeeperLink
  }

  /** The engine has been killed; what it has held is handed to the next one. */
  next(killed: PortReservations): void {
    killed.close()
    this.#inherited = new Map([...this.held].map(([label, fds]) => [label, fds.map(duplicate)]))
  }

  [Symbol.dispose](): void {
    for (const fd of [...this.held.values()].flat()) close(fd)
  }
}

function cookieOf(host: ThrowAwayHost): string {
  const fd = inNamespace(host.netns, () => socket(2, 2, 0))
  const cookie = namespaceCookie(fd)
  close(fd)
  return cookie
}

const options = { reservePorts: true }

describe.skipIf(!canReservePorts())('ports that the engine before had reserved', () => {
  const isFree = (host: ThrowAwayHost, port: number, address = '0.0.0.0') => {
    try {
      close(bindPort(host.netns, { protocol: 'tcp', address: address as IpAddress, port }))
      return true
    } catch {
      return false
    }
  }

  it('stay reserved, and are free again if nobody asks for them', async () => {
    await using host = await throwAwayHost()
    using holder = new Holder()
    const first = new PortReservations(cookieOf(host), options, holder.link)
    first.add([reservation('80-82'), reservation('5000'), reservation('90', '127.0.0.1')])
    holder.next(first)
    const second = new PortReservations(cookieOf(host), options, holder.link)
    expect(second.has(reservation('80-82'))).toBe(true)
    expect(second.has(reservation('80-83'))).toBe(false)
    expect(second.has(reservation('80', '::'))).toBe(false)
    second.add([reservation('90', '127.0.0.1'), reservation('83')])
    expect([80, 82, 83, 5000].map((port) => isFree(host, port))).toEqual(Array(4).fill(false))
    second.giveUpInherited()
    expect([80, 82, 83].map((port) => isFree(host, port))).toEqual(Array(3).fill(false))
    expect(isFree(host, 90, '127.0.0.1')).toBe(false)
    expect(isFree(host, 5000)).toBe(true)
    second.remove([reservation('80-82')])
    expect([80, 82, 83].map((port) => isFree(host, port))).toEqual([true, true, false])
    second.close()
    expect(isFree(host, 83)).toBe(false)
  })

  it('are free at once if they are removed', async () => {
    await using host = await throwAwayHost()
    using holder = new Holder()
    const first = new PortReservations(cookieOf(host), options, holder.link)
    first.add([reservation('80'), reservation('81')])
    holder.next(first)
    const second = new PortReservations(cookieOf(host), options, holder.link)
    second.remove([reservation('80')])
    expect([80, 81].map((port) => isFree(host, port))).toEqual([true, false])
    second.close()
  })

  it('of another version are held until then, beside our own', async () => {
    await using host = await throwAwayHost()
    using holder = new Holder()
    const first = new PortReservations(cookieOf(host), options, holder.link)
    first.add([reservation('80')])
    const [label] = holder.held.keys()
    holder.held.set('reservations/old', holder.held.get(label!)!)
    holder.held.delete(label!)
    holder.next(first)
    const second = new PortReservations(cookieOf(host), options, holder.link)
    expect(second.has(reservation('80'))).toBe(false)
    second.add([reservation('81')])
    expect([...holder.held.keys()].sort()).toEqual([label, 'reservations/old'].sort())
    expect([80, 81].map((port) => isFree(host, port))).toEqual([false, false])
    second.giveUpInherited()
    expect([...holder.held.keys()]).toEqual([label])
    expect([80, 81].map((port) => isFree(host, port))).toEqual([true, false])
    second.close()
  })
})
