import { randomInt } from 'node:crypto'
import { type ReadMessage, type RecordType, readMessage, writeQuery } from './dns-packets.ts'
import { openUdp, type UdpEnd } from './sockets.ts'

const WAIT_MS = 2000
const EMPTY_QUESTION_END = 17

/**
 * Asks the resolver of a sandbox from the test's own process, through a socket inside: a query is on its
 * way as soon as it is asked for, where a program would have to be started first.
 */
export class Asker implements AsyncDisposable {
  readonly #end: UdpEnd
  readonly #waiting = new Map<number, (reply: ReadMessage) => void>()

  private constructor(end: UdpEnd) {
    this.#end = end
    end.socket.on('message', (message) => {
      // To what isn't a question at all, the answer has none either.
      if (message.length < EMPTY_QUESTION_END) return
      const reply = readMessage(message)
      this.#waiting.get(reply.id)?.(reply)
    })
  }

  /** From the namespace of that path. */
  static async open(path: string): Promise<Asker> {
    return new Asker(await openUdp(path, '127.0.0.1', 0))
  }

  /** undefined: there was no answer. */
  async ask(name: string, type: RecordType = 'A'): Promise<ReadMessage | undefined> {
    const id = this.#newId()
    const reply = new Promise<ReadMessage | undefined>((resolve) => {
      // What has come by then is read before it is given up.
      const giveUp = () => resolve(undefined)
      const timer = setTimeout(() => setImmediate(() => setImmediate(giveUp)), WAIT_MS)
      this.#waiting.set(id, (message) => {
        clearTimeout(timer)
        resolve(message)
      })
    })
    this.send(writeQuery(id, name, type))
    const message = await reply
    this.#waiting.delete(id)
    return message
  }

  /** The addresses of a name; a code that isn't 0 in their place; or that there was no answer. */
  async addresses(name: string): Promise<readonly string[] | number | 'no answer'> {
    const reply = await this.ask(name)
    if (reply === undefined) return 'no answer'
    return reply.code === 0 ? [...reply.addresses].sort() : reply.code
  }

  send(message: Buffer): void {
    this.#end.socket.send(message, 53, '127.0.0.11')
  }

  /** Asks the same again and again, from now on. */
  again(name: string, expected: readonly string[]): AskingAgain {
    return new AskingAgain(this, name, expected)
  }

  #newId(): number {
    for (;;) {
      const id = randomInt(0x10000)
      if (!this.#waiting.has(id)) return id
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end[Symbol.asyncDispose]()
  }
}

/** Asks as soon as the answer before has come. */
export class AskingAgain {
  asked = 0
  /** What it got instead of the right answer. */
  readonly wrong: unknown[] = []
  #stopped = false
  readonly #done: Promise<void>

  constructor(asker: Asker, name: string, expected: readonly string[]) {
    this.#done = this.#run(asker, name, expected)
  }

  /** After the last answer. */
  async stop(): Promise<void> {
    this.#stopped = true
    await this.#done
  }

  async #run(asker: Asker, name: string, expected: readonly string[]): Promise<void> {
    const wanted = JSON.stringify([...expected].sort())
    while (!this.#stopped) {
      const got = await asker.addresses(name)
      this.asked += 1
      if (JSON.stringify(got) !== wanted) this.wrong.push(got)
    }
  }
}
