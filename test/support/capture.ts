import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { exitOf } from './ended.ts'

/** What passes a link of the namespace at that path, as `tcpdump -e -vv` tells it. */
export class Capture implements AsyncDisposable {
  readonly #child: ChildProcess
  readonly #packets: string[] = []
  readonly #waiting = new Set<() => void>()

  private constructor(child: ChildProcess) {
    this.#child = child
    createInterface({ input: child.stdout! }).on('line', (line) => {
      // What belongs to the packet before is indented.
      if (/^\s/.test(line)) this.#packets.push(`${this.#packets.pop()} ${line.trim()}`)
      else this.#packets.push(line)
      for (const look of this.#waiting) look()
    })
  }

  /** Resolves when it sees everything that comes from now on. */
  static async open(path: string, link: string, filter: string): Promise<Capture> {
    const argv = ['-l', '--immediate-mode', '-nn', '-t', '-e', '-vv', '-i', link, filter]
    const child = spawn('nsenter', [`--net=${path}`, 'timeout', '30', 'tcpdump', ...argv])
    const capture = new Capture(child)
    for await (const line of createInterface({ input: child.stderr })) {
      if (line.includes('listening on')) return capture
    }
    throw new Error(`tcpdump didn't start on ${link}`)
  }

  /** Those so far that have `part` in them. */
  packets(part: string): readonly string[] {
    return this.#packets.filter((packet) => packet.includes(part))
  }

  /** Resolves with the packets that have `part` in them when there are so many; gives up after 10 s. */
  async until(part: string, count: number): Promise<readonly string[]> {
    return new Promise((resolve, reject) => {
      const end = (work: () => void) => {
        clearTimeout(timer)
        this.#waiting.delete(look)
        work()
      }
      const look = () => {
        if (this.packets(part).length >= count) end(() => resolve(this.packets(part)))
      }
      const late = () => reject(new Error(`no ${count} ${part}:\n${this.#packets.join('\n')}`))
      const timer = setTimeout(() => end(late), 10_000)
      this.#waiting.add(look)
      look()
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill()
    await exitOf(this.#child)
  }
}
