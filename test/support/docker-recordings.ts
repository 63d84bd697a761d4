import { readFile } from 'node:fs/promises'
import type { ThrowAwayHost } from './host.ts'

/**
 * The rules of a dockerd that isn't here, as it has written them for one network of each kind. What
 * it wrote for IPv6 is about one network only, so its rules for IPv4 are taken for both families.
 */
export interface RecordedRules {
  /** Network → bridge. */
  readonly bridges: ReadonlyMap<string, string>
  load(host: ThrowAwayHost): Promise<void>
}

/** By the subnets that they were recorded with. */
export const recordedNetworks = {
  docker0: 17,
  bridge: 18,
  internal: 19,
  routed: 20,
  apart: 21,
} as const

const folder = new URL('../recordings/', import.meta.url)
const read = (name: string) => readFile(new URL(name, folder), 'utf8')

/** Docker 28.5, which uses iptables. */
export async function recordedIptables(): Promise<RecordedRules> {
  const v4 = await read('docker-28.5-iptables.txt')
  const v6 = v4
    .split('\n')
    .filter((line) => !/127\.0\.0\.1/.test(line))
    .map((line) =>
      inIpv6(line).replace('! -d 127.0.0.0/8', '! -d ::1/128').replace('-p icmp', '-p ipv6-icmp'),
    )
    .join('\n')
  expectLike(v6, await read('docker-28.5-ip6tables.txt'))
  return {
    bridges: bridgesIn(v4, (subnet) => new RegExp(`-s ${subnet}/16 ! -o (\\S+) -j MASQ`), {
      internal: /-s 172\.19\.0\.0\/16 -o (\S+) -j DROP/,
      routed: /-A DOCKER -o (\S+) -p icmp/,
    }),
    async load(host) {
      for (const [command, rules] of [
        ['iptables-nft-restore', v4],
        ['ip6tables-nft-restore', v6],
      ] as const) {
        await host.inside(host.netns, [command, '--noflush'], { input: rules })
      }
    },
  }
}

/** Docker 29.1 with its nftables backend. */
export async function recordedNftables(): Promise<RecordedRules> {
  const all = await read('docker-29.1-nftables.txt')
  const [v4, recorded6] = all.split(/^(?=table ip6 )/m) as [string, string]
  const v6 = v4
    .split('\n')
    .filter((line) => !/127\.0\.0\.1/.test(line))
    .map((line) =>
      inIpv6(line)
        .replace('table ip ', 'table ip6 ')
        .replace('ip daddr != 127.0.0.0/8', 'ip6 daddr != ::1')
        .replace('ip protocol icmp', 'meta l4proto ipv6-icmp')
        .replace(/\bip ([sd]addr)/, 'ip6 $1'),
    )
    .join('\n')
  expectLike(v6, recorded6)
  const chainOf = (rule: RegExp) =>
    new RegExp(`filter-forward-in__(\\S+) \\{(?:(?!\\}).)*${rule.source}`, 's')
  return {
    bridges: bridgesIn(v4, (subnet) => new RegExp(`oifname != "(\\S+)" ip saddr ${subnet}/16`), {
      internal: chainOf(/INTERNAL NETWORK INGRESS/),
      routed: chainOf(/comment "ICMP"/),
    }),
    async load(host) {
      await host.inside(host.netns, ['nft', '-f', '-'], {
        // An older `nft` knows some names of priorities in some hooks only.
        input: (v4 + v6).replaceAll('priority dstnat', 'priority -100'),
      })
    },
  }
}

export const prefix4 = (number: number) => `172.${number}.0`
export const prefix6 = (number: number) => `fd00:${number}:`

function inIpv6(line: string): string {
  return line
    .replaceAll(/172\.(\d+)\.0\.0\/16/g, 'fd00:$1::/64')
    .replaceAll(/172\.(\d+)\.0\.2\/32/g, 'fd00:$1::2/128')
    .replaceAll(/172\.(\d+)\.0\.2:(\d+)/g, '[fd00:$1::2]:$2')
    .replaceAll(/172\.(\d+)\.0\.2/g, 'fd00:$1::2')
}

function bridgesIn(
  rules: string,
  hidden: (subnet: string) => RegExp,
  others: { readonly internal: RegExp; readonly routed: RegExp },
): ReadonlyMap<string, string> {
  const patterns = {
    docker0: hidden('172\\.17\\.0\\.0'),
    bridge: hidden('172\\.18\\.0\\.0'),
    apart: hidden('172\\.21\\.0\\.0'),
    ...others,
  }
  return new Map(
    Object.entries(patterns).map(([network, pattern]) => {
      const bridge = pattern.exec(rules)?.[1]
      if (bridge === undefined) throw new Error(`nothing recorded is about ${network}`)
      return [network, bridge]
    }),
  )
}

/** What was recorded for IPv6 is among what is made of IPv4's, but for its subnet. */
function expectLike(made: string, recorded: string): void {
  const same = (line: string) => line.trim().replace('fd00:77::/64', 'fd00:22::/64')
  const lines = new Set(made.split('\n').map(same))
  const missing = recorded
    .split('\n')
    .map(same)
    .filter((line) => line.startsWith('-A') || /^(counter|iifname|ip6|oifname|ct) /.test(line))
    .filter((line) => !lines.has(line))
  if (missing.length > 0)
    throw new Error(`Docker writes other rules for IPv6: ${missing.join('; ')}`)
}
