import { close } from '#dist/kernel/linux/ffi/file.js'
import { bind, recv, SOCK_DGRAM, socket } from '#dist/kernel/linux/ffi/socket.js'

const AF_UNIX = 1

/** What systemd listens at: takes what a service says of itself. */
export class NotifySocket implements Disposable {
  readonly path: string
  readonly #fd = socket(AF_UNIX, SOCK_DGRAM, 0)
  readonly #said: string[] = []

  constructor(path: string) {
    this.path = path
    bind(this.#fd, Buffer.from(`\x01\0${path}\0`, 'latin1'), path)
  }

  /** All that was said so far. */
  get said(): readonly string[] {
    const buffer = Buffer.alloc(4096)
    for (;;) {
      const length = recv(this.#fd, buffer)
      if (length === undefined) return [...this.#said]
      this.#said.push(buffer.toString('utf8', 0, length))
    }
  }

  [Symbol.dispose](): void {
    close(this.#fd)
  }
}
