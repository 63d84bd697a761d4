import { expect, it } from 'vitest'
import { parseFlow } from './few-flows.ts'

const way = (
  protocol: number,
  source: string,
  destination: string,
  ports: readonly number[] = [],
) => {
  const [sourcePort, destinationPort] = ports
  return { source, destination, protocol, sourcePort, destinationPort }
}

it.each([
  [
    'ipv4     2 tcp      6 431999 ESTABLISHED src=198.51.100.1 dst=198.51.100.2 sport=4711 dport=8080 src=10.7.0.2 dst=198.51.100.1 sport=80 dport=4711 [ASSURED] mark=0 zone=0 use=2',
    {
      original: way(6, '198.51.100.1', '198.51.100.2', [4711, 8080]),
      reply: way(6, '10.7.0.2', '198.51.100.1', [80, 4711]),
    },
  ],
  [
    'ipv6     10 udp      17 29 src=fd00:0007:0000:0000:0000:0000:0000:0002 dst=fd00:0000:0000:0000:0000:0000:0000:0001 sport=5 dport=53 packets=1 bytes=60 [UNREPLIED] src=fd00:0000:0000:0000:0000:0000:0000:0001 dst=fd00:0007:0000:0000:0000:0000:0000:0002 sport=53 dport=5 packets=0 bytes=0 mark=0 use=2',
    {
      original: way(17, 'fd00:7::2', 'fd00::1', [5, 53]),
      reply: way(17, 'fd00::1', 'fd00:7::2', [53, 5]),
    },
  ],
  [
    'ipv4     2 unknown  2 598 src=10.7.0.1 dst=224.0.0.22 [UNREPLIED] src=224.0.0.22 dst=10.7.0.1 mark=0 use=1',
    { original: way(2, '10.7.0.1', '224.0.0.22'), reply: way(2, '224.0.0.22', '10.7.0.1') },
  ],
  ['ipv4     2 tcp      6 src=10.7.0.1 dst=10.7.0.2 sport=1 dport=2', undefined],
  ['', undefined],
])('reads %s', (line, flow) => {
  expect(parseFlow(line)).toEqual(flow)
})
