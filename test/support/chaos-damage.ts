import { readdir, rm, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import type { Chance } from './chance.ts'
import type { CliHost } from './cli-host.ts'
import { uplink } from './host.ts'

const others: ReadonlySet<string> = new Set(['lo', uplink.link])

/** Does by hand what no user should do to things of ours. Answers with what was tried. */
export async function damage({ host, runDir, stateDir }: CliHost, chance: Chance): Promise<string> {
  /** A command that comes later than another, or may not, has done no damage. */
  const tryTo = async (command: string, path = host.netns): Promise<string> => {
    const how = await host.inside(path, ['sh', '-c', command]).then(
      () => 'done',
      () => 'refused',
    )
    return `${command}: ${how}`
  }
  const oneOf = async (folder: string): Promise<string | undefined> => {
    const names = await readdir(folder).catch(() => [])
    return names.length === 0 ? undefined : join(folder, chance.pick(names))
  }
  const hostLink = async (verb: string) => {
    const links = await host.ip<{ ifname: string }[]>('-j link')
    const ours = links.map(({ ifname }) => ifname).filter((name) => !others.has(name))
    return ours.length === 0 ? 'nothing there' : tryTo(`${verb} ${chance.pick(ours)}`)
  }
  const inSandbox = async (command: string) => {
    const path = await oneOf(join(runDir, 'netns'))
    return path === undefined ? 'nothing there' : tryTo(command, path)
  }
  const file = async (path: string | undefined, what: typeof rm | typeof truncate) => {
    if (path === undefined) return 'nothing there'
    await what(path).catch(() => {})
    return `${what.name} ${path}`
  }
  const ofSandbox = async () => {
    const folder = await oneOf(join(runDir, 'files'))
    return folder === undefined ? undefined : oneOf(folder)
  }
  const ways: readonly (() => Promise<string>)[] = [
    () => hostLink('ip link del'),
    () => hostLink('ip link del'),
    () => hostLink('ip link set down dev'),
    () => hostLink('ip addr flush dev'),
    () => hostLink('ip route flush dev'),
    () => hostLink('ip -6 route flush dev'),
    () => inSandbox('ip link del eth0'),
    () => inSandbox('ip link set eth0 down'),
    () => inSandbox('ip addr flush dev eth0'),
    () => inSandbox('ip route flush default; ip route flush table main'),
    () => inSandbox('ip -6 route flush table main'),
    () => inSandbox('nft flush ruleset'),
    () => tryTo('nft delete table inet cnm'),
    () => tryTo('nft flush ruleset'),
    () => tryTo(`nft flush chain inet cnm ${chance.pick(['forward', 'prerouting', 'output'])}`),
    async () => file(await oneOf(join(stateDir, 'networks')), rm),
    async () => file(await oneOf(join(stateDir, 'networks')), truncate),
    async () => file(await ofSandbox(), rm),
    async () => file(await ofSandbox(), truncate),
  ]
  return chance.pick(ways)()
}
