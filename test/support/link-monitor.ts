import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import type { ThrowAwayHost } from './host.ts'

/** What `ip -d monitor link` says on a host: a line for each message of the kernel. */
export class LinkMonitor implements AsyncDisposable {
  readonly #child: ChildProcess
  readonly #lines: string[] = []

  private constructor(netns: string) {
    const argv = [`--net=${netns}`, 'timeout', '60', 'ip', '-d', 'monitor', 'link']
    this.#child = spawn('nsenter', argv, { stdio: ['ignore', 'pipe', 'inherit'] })
    createInterface({ input: this.#child.stdout! }).on('line', (line) => {
      // What belongs to the link before is indented.
      if (/^\s/.test(line)) this.#lines.push(`${this.#lines.pop()} ${line.trim()}`)
      else this.#lines.push(line)
    })
  }

  /** Resolves when it hears of everything that is done from now on. */
  static async open(host: ThrowAwayHost): Promise<LinkMonitor> {
    const monitor = new LinkMonitor(host.netns)
    for (let mtu = 60_000; monitor.of('lo').length === 0; mtu++) {
      await host.ip(`link set lo mtu ${mtu}`)
    }
    return monitor
  }

  /** What was said of that link so far. */
  of(link: string): readonly string[] {
    return this.#lines.filter((line) => new RegExp(`\\b${link}[@:]`).test(line))
  }

  /** The same when there is one among it that looks so. Gives up after 10 s. */
  async until(link: string, what: RegExp): Promise<readonly string[]> {
    for (const end = Date.now() + 10_000; Date.now() < end; await delay(5)) {
      if (this.of(link).some((line) => what.test(line))) return this.of(link)
    }
    throw new Error(`of ${link} nothing was said like ${what}:\n${this.of(link).join('\n')}`)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const over = once(this.#child, 'close')
    this.#child.kill()
    await over
  }
}
