import {
  address,
  connect,
  IPERF,
  inside,
  ip,
  makeHost,
  SERVED,
  serve,
  serving,
  stop,
  type TrafficSubject,
} from './traffic-subject.ts'

/** Plain routing to two namespaces on a bridge: no firewall, no conntrack. */
export function plain(): Promise<TrafficSubject> {
  return bare('plain', 'plain routing', { address: '10.210.0.2', port: SERVED })
}

/** The same with the least there can be for a published port: one rule that changes destinations. */
export async function leastNat(): Promise<TrafficSubject> {
  const subject = await bare('nat', 'one DNAT rule', { address: '192.0.2.1', port: 8080 })
  const rule = `ip daddr 192.0.2.1 tcp dport 8080 dnat to 10.210.0.2:${SERVED}`
  const chain = `type nat hook prerouting priority dstnat; ${rule}`
  inside('nat-host', ['nft', `table ip nat { chain prerouting { ${chain}; }; }`])
  return subject
}

async function bare(
  prefix: string,
  name: string,
  connections: TrafficSubject['connections'],
): Promise<TrafficSubject> {
  const { host, outside } = makeHost(prefix)
  inside(host, ['sh', '-c', 'echo 1 > /proc/sys/net/ipv4/ip_forward'])
  ip('-n', host, 'link', 'add', 'bridge', 'type', 'bridge')
  address(host, 'bridge', '10.210.0.1/24')
  for (const number of [2, 3]) {
    const box = `${prefix}-box${number}`
    ip('netns', 'add', box)
    ip('-n', box, 'link', 'set', 'lo', 'up')
    connect(host, `port${number}`, box)
    ip('-n', host, 'link', 'set', `port${number}`, 'up', 'master', 'bridge')
    address(box, 'eth0', `10.210.0.${number}/24`)
    ip('-n', box, 'route', 'add', 'default', 'via', '10.210.0.1')
  }
  const servers = [
    await serve(`${prefix}-box2`, serving.connections),
    await serve(`${prefix}-box2`, serving.iperf),
  ]
  return {
    name,
    outside,
    connections,
    iperf: { address: '10.210.0.2', port: IPERF },
    neighbour: { namespace: `${prefix}-box3`, address: '10.210.0.2' },
    async close() {
      for (const server of servers) await stop(server)
      const boxes = [2, 3].map((number) => `${prefix}-box${number}`)
      for (const name of [host, outside, ...boxes]) ip('netns', 'del', name)
    },
  }
}
