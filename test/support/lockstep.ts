import { createSocket, type Socket } from 'node:dgram'
import { familyOf, parseAddress } from '#dist/address/address.js'
import { openBoundSocket } from '#dist/kernel/linux/ports/sockets.js'
import { inNamespace } from './echo.ts'
import { openUdp } from './sockets.ts'

/** What is not back by then is lost: nothing on the way waits for so long. */
const LOST_MS = 4000

/** Sends back whatever comes to that port of the namespace at that path. */
export async function echoBack(path: string, address: string, port: number) {
  const end = await openUdp(path, address, port)
  end.socket.on('message', (message, peer) => end.socket.send(message, peer.port, peer.address))
  return end
}

/**
 * Sends one datagram after the other to an echo, each when the one before is back, so that a single one
 * that is lost on the way, either way, is noticed. All are one flow, or (`anew`) each is its own.
 */
export class Lockstep {
  readonly what: string
  done = 0
  lost = 0
  readonly #open: () => Socket
  readonly #to: { readonly address: string; readonly port: number }
  readonly #anew: boolean
  #socket: Socket
  #stopped = false
  readonly #end: Promise<void>

  constructor(what: string, path: string, address: string, port: number, anew = false) {
    this.what = what
    this.#to = { address, port }
    this.#anew = anew
    const family = familyOf(parseAddress(address))
    const any = parseAddress(family === 4 ? '0.0.0.0' : '::')
    this.#open = () => {
      const fd = inNamespace(path, () => {
        return openBoundSocket({ family, type: 'udp', address: any, port: 0 })
      })
      const socket = createSocket(family === 4 ? 'udp4' : 'udp6')
      socket.on('error', () => {})
      socket.bind({ fd })
      return socket
    }
    this.#socket = this.#open()
    this.#end = this.#run()
  }

  /** Waits for so many more. */
  async further(count: number): Promise<void> {
    const enough = this.done + count
    while (this.done < enough && !this.#stopped) await this.#step()
  }

  /** Idempotent. */
  async stop(): Promise<void> {
    const isFirst = !this.#stopped
    this.#stopped = true
    await this.#end
    if (isFirst) this.#socket.close()
  }

  #current: Promise<void> = Promise.resolve()

  /** The one that is under way. */
  #step(): Promise<void> {
    return this.#current.then(() => new Promise((resolve) => setImmediate(resolve)))
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      this.#current = this.#once()
      await this.#current
    }
  }

  async #once(): Promise<void> {
    if (this.#anew && this.done > 0) {
      this.#socket.close()
      this.#socket = this.#open()
    }
    const socket = this.#socket
    // Each has another length than the one before, by which they are told apart where they are traced.
    const text = String(this.done).padStart(1 + (this.done % 1000), '0')
    const isBack = await new Promise<boolean>((resolve) => {
      const hear = (message: Buffer) => {
        if (message.toString() === text) finish(true)
      }
      // What has come by then is read before it is given up.
      const timer = setTimeout(() => setImmediate(() => finish(false)), LOST_MS)
      const finish = (answer: boolean) => {
        clearTimeout(timer)
        socket.off('message', hear)
        resolve(answer)
      }
      socket.on('message', hear)
      socket.send(text, this.#to.port, this.#to.address)
    })
    this.done += 1
    if (!isBack) this.lost += 1
  }
}
