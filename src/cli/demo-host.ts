import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, readlink } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** A process in a network namespace of its own, as a container of somebody else's would be. */
export interface Stranger {
  readonly pid: number
  kill(): Promise<void>
}

/** The throw-away host: this process's namespace, with an uplink to another that plays the internet. */
export class DemoHost implements AsyncDisposable {
  static readonly outside = '198.51.100.1'
  /** The host's own address, as the internet knows it. */
  static readonly inside = '198.51.100.2'
  readonly #internet: Stranger

  private constructor(internet: Stranger) {
    this.#internet = internet
  }

  static async make(): Promise<DemoHost> {
    const internet = await stranger()
    const inside = ['netns', String(internet.pid)]
    await ip('link', 'set', 'lo', 'up')
    await ip('link', 'add', 'uplink', 'type', 'veth', 'peer', 'name', 'eth0', ...inside)
    await ip('address', 'add', `${DemoHost.inside}/24`, 'dev', 'uplink')
    await ip('link', 'set', 'uplink', 'up')
    const there = (...args: string[]) => run('nsenter', ['-t', String(internet.pid), '-n', ...args])
    await there('ip', 'address', 'add', `${DemoHost.outside}/24`, 'dev', 'eth0')
    await there('ip', 'link', 'set', 'eth0', 'up')
    await ip('route', 'add', 'default', 'via', DemoHost.outside)
    return new DemoHost(internet)
  }

  /** Whether an address answers a ping from outside, which has a route to everything here. */
  async outsideReaches(address: string): Promise<boolean> {
    const { pid } = this.#internet
    const enter = ['-t', String(pid), '-n']
    await run('nsenter', [...enter, 'ip', 'route', 'replace', 'default', 'via', DemoHost.inside])
    return run('nsenter', [...enter, 'ping', '-c1', '-W1', address]).then(
      () => true,
      () => false,
    )
  }

  /** What that address answers to a request from outside; undefined: nothing within a second. */
  outsideGets(url: string): Promise<string | undefined> {
    return get(['nsenter', '-t', String(this.#internet.pid), '-n'], url)
  }

  /** The same from the host itself. */
  gets(url: string): Promise<string | undefined> {
    return get([], url)
  }

  /** The number of rules in our tables, as `nft` counts them. */
  async rules(): Promise<number> {
    const { stdout } = await run('nft', ['-j', 'list', 'ruleset'])
    const { nftables } = JSON.parse(stdout) as { nftables: { rule?: unknown }[] }
    return nftables.filter(({ rule }) => rule !== undefined).length
  }

  /** The links that are there besides loopback and uplink. */
  async otherLinks(): Promise<string[]> {
    const { stdout } = await run('ip', ['-j', 'link'])
    const links = JSON.parse(stdout) as { ifname: string }[]
    return links.map(({ ifname }) => ifname).filter((name) => name !== 'lo' && name !== 'uplink')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#internet.kill()
  }
}

const request = `fetch(process.argv[1], { signal: AbortSignal.timeout(1000) })
  .then((answer) => answer.text())
  .then(console.log)`

async function get(enter: readonly string[], url: string): Promise<string | undefined> {
  const [program = '', ...args] = [...enter, process.execPath, '-e', request, url]
  return run(program, args).then(
    ({ stdout }) => stdout.trim(),
    () => undefined,
  )
}

async function ip(...args: string[]): Promise<void> {
  await run('ip', args)
}

/** Resolves when the process has its own namespace. */
export async function stranger(): Promise<Stranger> {
  const child = spawn('unshare', ['--net', 'sleep', '600'], { stdio: 'ignore' })
  const pid = child.pid ?? 0
  const own = await readlink('/proc/self/ns/net')
  for (let tries = 0; tries < 1000; tries += 1) {
    const name = await readFile(`/proc/${pid}/comm`, 'utf8')
    if (name === 'sleep\n' && (await readlink(`/proc/${pid}/ns/net`)) !== own) {
      return { pid, kill: () => end(child) }
    }
    await delay(2)
  }
  await end(child)
  throw new Error('unshare has made no namespace')
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = once(child, 'exit')
  child.kill('SIGKILL')
  await gone
}
