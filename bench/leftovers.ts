import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

/** Links of this process's network namespace, by name. Asked of the kernel, not of our own reader. */
function links(): string[] {
  const lines = readFileSync('/proc/net/dev', 'utf8').trim().split('\n').slice(2)
  return lines.map((line) => line.slice(0, line.indexOf(':')).trim())
}

export const countLinks = () => links().length

/** Things on the machine that the library may have left behind. */
export function inventory(): Set<string> {
  return new Set([
    ...links().map((name) => `link ${name}`),
    ...namespaceMounts(),
    ...namespaceDescriptors(),
    ...elements(),
  ])
}

function namespaceMounts(): string[] {
  const lines = readFileSync('/proc/self/mounts', 'utf8').split('\n')
  return lines
    .filter((line) => line.includes(' nsfs '))
    .map((line) => `mount ${line.split(' ')[1]}`)
}

/** Open descriptors keep a namespace alive. */
function namespaceDescriptors(): string[] {
  const counts = new Map<string, number>()
  for (const fd of readdirSync('/proc/self/fd')) {
    try {
      const target = readlinkSync(`/proc/self/fd/${fd}`)
      if (target.startsWith('net:')) counts.set(target, (counts.get(target) ?? 0) + 1)
    } catch {
      // The descriptor by which the folder itself was read.
    }
  }
  return [...counts].map(([target, count]) => `${count} open descriptors of ${target}`)
}

interface NamedSet {
  readonly table: string
  readonly name: string
  readonly elem?: readonly unknown[]
}

/** Elements of the sets of our tables. The tables themselves stay. */
function elements(): string[] {
  const text = execFileSync('nft', ['-j', 'list', 'ruleset'], { encoding: 'utf8' })
  const { nftables } = JSON.parse(text) as { nftables: { set?: NamedSet; map?: NamedSet }[] }
  const found: string[] = []
  for (const object of nftables) {
    const set = object.set ?? object.map
    if (!set?.table.startsWith('cnm')) continue
    for (const elem of set.elem ?? []) found.push(`element ${set.name} ${JSON.stringify(elem)}`)
  }
  return found
}
