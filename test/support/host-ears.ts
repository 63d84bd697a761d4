import type { ThrowAwayHost } from './host.ts'

/** What a host has taken in over other links than its uplink, and what it has learnt by it. */
export class HostEars {
  readonly #host: ThrowAwayHost
  readonly #mac: string

  private constructor(host: ThrowAwayHost, mac: string) {
    this.#host = host
    this.#mac = mac
  }

  /** Of frames from that MAC, or to UDP port 9999, and of what routers say. */
  static async open(host: ThrowAwayHost, mac: string): Promise<HostEars> {
    const heard = [`ether saddr ${mac}`, 'udp dport 9999', 'icmpv6 type nd-router-advert']
    const rules = ['iifname { "lo", "uplink" } accept', ...heard.map((what) => `${what} counter`)]
    const chain = (hook: string) =>
      `chain ${hook} { type filter hook ${hook} priority -500;\n${rules.join('\n')}\n}`
    const input = `table inet ears {\n${chain('input')}\n${chain('forward')}\n}`
    await host.inside(host.netns, ['nft', '-f', '-'], { input })
    return new HostEars(host, mac)
  }

  /** How many packets came to it, or were forwarded by it. */
  async heard(): Promise<number> {
    const rules = await this.#host.nft('list table inet ears')
    return [...rules.matchAll(/counter packets (\d+)/g)].reduce((sum, [, n]) => sum + Number(n), 0)
  }

  /** Routes and addresses that were not set, and whatever says that MAC. */
  async learnt(): Promise<readonly string[]> {
    const all = ['ip route', 'ip -6 route', 'ip -o addr', 'ip neigh', 'ip -6 neigh', 'bridge fdb']
    const said = await Promise.all(all.map((command) => this.#host.sh(command)))
    const lines = said.flatMap((text) => text.split('\n'))
    return lines.filter((line) => line.includes(this.#mac) || /proto ra\b|\bdynamic\b/.test(line))
  }
}
