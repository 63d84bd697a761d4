import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, readlink } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** A process in a network namespace of its own, as a container of another engine would be. */
interface Stranger {
  readonly pid: number
  kill(): Promise<void>
}

/** The throw-away host: this process's namespace, with an uplink to another that plays the internet. */
export class DemoHost implements AsyncDisposable {
  static readonly outside = '198.51.100.1'
  /** The host's own address, as the internet knows it. */
  static readonly inside = '198.51.100.2'
  /** What the internet's own server of names calls the outside. */
  static readonly website = 'www.example'
  readonly #internet: Stranger
  readonly #server: ChildProcess

  private constructor(internet: Stranger, server: ChildProcess) {
    this.#internet = internet
    this.#server = server
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
    return new DemoHost(internet, await nameServer(internet))
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

  /** The IPv4 address that a server of names answers with; asked from the host, or from another namespace. */
  async resolves(name: string, server: string, netns?: string): Promise<string | undefined> {
    const [program = '', ...args] = [
      ...(netns === undefined ? [] : ['nsenter', `--net=${netns}`]),
      ...[process.execPath, '-e', question, server, name],
    ]
    return run(program, args).then(
      ({ stdout }) => stdout.trim(),
      () => undefined,
    )
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
    await end(this.#server)
    await this.#internet.kill()
  }
}

const question = `const { promises: { Resolver } } = require('node:dns')
  const resolver = new Resolver({ timeout: 1000, tries: 1 })
  resolver.setServers([process.argv[1]])
  resolver.resolve4(process.argv[2]).then(([address]) => console.log(address))`

/** Knows one name only. A query's name ends at the byte 0, its question four bytes later. */
const answering = `const [address, known] = process.argv.slice(1)
  const server = require('node:dgram').createSocket('udp4')
  server.on('message', (query, from) => {
    const end = query.indexOf(0, 12)
    const isKnown = query.subarray(13, end).toString().toLowerCase() === known.replace('.', '\\x07')
    const isAddress = isKnown && query.readUInt16BE(end + 1) === 1
    const answer = [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, ...address.split('.')]
    const head = [0x85, isKnown ? 0x80 : 0x83, 0, 1, 0, isAddress ? 1 : 0, 0, 0, 0, 0]
    const reply = [query.subarray(0, 2), head, query.subarray(12, end + 5), isAddress ? answer : []]
    server.send(Buffer.concat(reply.map((part) => Buffer.from(part))), from.port, from.address)
  })
  server.bind(53, address, () => console.log('ready'))`

/** What the host's resolv.conf has to name. */
async function nameServer({ pid }: Stranger): Promise<ChildProcess> {
  const enter = ['-t', String(pid), '-n', process.execPath, '-e', answering]
  const child = spawn('nsenter', [...enter, DemoHost.outside, DemoHost.website], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await once(child.stdout, 'data')
  return child
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
