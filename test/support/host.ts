import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type RunOptions, run } from './run.ts'

export interface ThrowAwayHostOptions {
  /** true: an uplink with default routes of both families to a second namespace, the internet. */
  readonly internet?: boolean
}

/** The addresses of the uplink: the host's ends, and the internet's, which are the gateways. */
export const uplink = {
  link: 'uplink',
  address4: '198.51.100.2',
  gateway4: '198.51.100.1',
  address6: '2001:db8::2',
  gateway6: '2001:db8::1',
} as const

/**
 * A network namespace that plays the host, with `lo` up and nothing else, in a folder of its own.
 * `await using host = await throwAwayHost()` leaves nothing behind: what is mounted below the folder
 * is unmounted, and the kernel collects the namespaces.
 */
export async function throwAwayHost(options: ThrowAwayHostOptions = {}): Promise<ThrowAwayHost> {
  const host = new ThrowAwayHost(await mkdtemp(join(tmpdir(), 'cnm-host-')))
  try {
    await host.createNamespace('host')
    if (options.internet) await addInternet(host)
    return host
  } catch (error) {
    await host[Symbol.asyncDispose]()
    throw error
  }
}

export class ThrowAwayHost implements AsyncDisposable {
  /** For whatever the test needs: state folders, sockets, mounted namespaces. */
  readonly folder: string
  /** The path of the namespace that plays the host. */
  readonly netns: string
  /** The path of the namespace that plays the internet, if there is one. */
  readonly internet: string

  constructor(folder: string) {
    this.folder = folder
    this.netns = join(folder, 'host')
    this.internet = join(folder, 'internet')
  }

  /** Another namespace, `lo` up, mounted at `<folder>/<name>`. Answers with its path. */
  async createNamespace(name: string): Promise<string> {
    const path = join(this.folder, name)
    await writeFile(path, '')
    await run(['unshare', `--net=${path}`, 'ip', 'link', 'set', 'lo', 'up'])
    return path
  }

  /** `ip` on the host; with `-j` what it says, parsed. */
  ip<T = unknown>(args: `-j ${string}`): Promise<T>
  ip(args: string): Promise<string>
  async ip(args: string): Promise<unknown> {
    return parsed(args, await this.inside(this.netns, ['ip', ...words(args)]))
  }

  /** `nft` on the host; with `-j` what it says, parsed. */
  nft<T = unknown>(args: `-j ${string}`): Promise<T>
  nft(args: string): Promise<string>
  async nft(args: string): Promise<unknown> {
    return parsed(args, await this.inside(this.netns, ['nft', ...words(args)]))
  }

  /** A shell command on the host. */
  sh(command: string, options: RunOptions = {}): Promise<string> {
    return this.inside(this.netns, ['sh', '-c', command], options)
  }

  /** A program in the network namespace of that path; answers with its output. */
  inside(
    path: string,
    argv: readonly [string, ...string[]],
    options: RunOptions = {},
  ): Promise<string> {
    return run(['nsenter', `--net=${path}`, ...argv], options)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const path of await mountsBelow(this.folder)) await run(['umount', path])
    await rm(this.folder, { recursive: true, force: true })
  }
}

async function addInternet(host: ThrowAwayHost): Promise<void> {
  await host.createNamespace('internet')
  const { link, address4, gateway4, address6, gateway6 } = uplink
  const inside = [
    `link add ${link} netns ${host.netns} type veth peer name downlink`,
    `addr add ${gateway4}/24 dev downlink`,
    `addr add ${gateway6}/64 dev downlink nodad`,
    ...linkLocal('downlink', 1),
    'link set downlink up',
  ]
  const outside = [
    `addr add ${address4}/24 dev ${link}`,
    `addr add ${address6}/64 dev ${link} nodad`,
    ...linkLocal(link, 2),
    `link set ${link} up`,
    `route add default via ${gateway4}`,
    `route add default via ${gateway6}`,
  ]
  await host.inside(host.internet, ['ip', '-batch', '-'], { input: inside.join('\n') })
  await host.inside(host.netns, ['ip', '-batch', '-'], { input: outside.join('\n') })
}

/**
 * For `ip`, before the link is up. The address it would give itself is checked for a second or two, and
 * until then nothing is forwarded to a neighbour that has to be asked for first.
 */
export function linkLocal(link: string, number: number): string[] {
  return [`link set ${link} addrgenmode none`, `addr add fe80::${number}/64 dev ${link} nodad`]
}

/** Mount points below a folder, the last mounted first. */
async function mountsBelow(folder: string): Promise<string[]> {
  const mounts = (await readFile('/proc/self/mountinfo', 'utf8')).split('\n')
  const points = mounts.map((line) => line.split(' ')[4] ?? '')
  return points.filter((point) => point.startsWith(`${folder}/`)).reverse()
}

function words(text: string): string[] {
  return text.split(/\s+/).filter((word) => word !== '')
}

/** `ip -j` says nothing at all where there is nothing to say. */
function parsed(args: string, output: string): unknown {
  if (!args.startsWith('-j ')) return output
  return output.trim() === '' ? [] : JSON.parse(output)
}
