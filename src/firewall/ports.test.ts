import { describe, expect, it } from 'vitest'
import type { IpAddress } from '../address/address.ts'
import { type PortRange, parsePorts } from '../address/port.ts'
import type { EndpointId } from '../base/id.ts'
import { openElements, publishedElement } from './ports.ts'

const owner = 'e1' as EndpointId
const address = '10.7.0.2' as IpAddress

describe('a published port', () => {
  it.each([
    ['8080 → 80', '0.0.0.0', 'published4 tcp . 8080 : 10.7.0.2 . 80'],
    ['80 → 80', '0.0.0.0', 'published4 tcp . 80 : 10.7.0.2 . 80'],
    ['80 → 80', '127.0.0.1', 'published4_at 127.0.0.1 . tcp . 80 : 10.7.0.2 . 80'],
    ['8000-8999 → 80-1079', '0.0.0.0', 'published4 tcp . 8000 : 10.7.0.2 . 80 + 1000'],
    ['8000-8001 → 80-81', '192.0.2.1', 'published4_at 192.0.2.1 . tcp . 8000 : 10.7.0.2 . 80 + 2'],
    ['1-9 → 1-9', '0.0.0.0', 'published4_ranges 0.0.0.0/0 . tcp . 1-9 : 10.7.0.2'],
    ['1-9 → 1-9', '192.0.2.1', 'published4_ranges 192.0.2.1 . tcp . 1-9 : 10.7.0.2'],
  ])('%s at %s is one element', (ports, hostAddress, line) => {
    const [outside, inside] = ports.split(' → ').map(parsePorts) as [PortRange, PortRange]
    const element = publishedElement(
      {
        family: 4,
        protocol: 'tcp',
        hostAddress: hostAddress as IpAddress,
        hostPorts: outside,
        address,
        ports: inside,
      },
      owner,
    )
    const { set, key, value, run } = element
    const text = `${set} ${key.join(' . ')} : ${value?.join(' . ')}${run ? ` + ${run}` : ''}`
    expect(text).toBe(line)
    expect(element.owner).toBe(owner)
  })
})

describe('open ports', () => {
  const open = (...texts: string[]) =>
    openElements(
      texts.map((text) => {
        const [ports, protocol = 'tcp'] = text.split('/') as [string, 'tcp' | 'udp' | undefined]
        return { family: 4, protocol, address, ports: parsePorts(ports) }
      }),
      owner,
    ).map(({ set, key }) => `${set} ${key.slice(1).join(' . ')}`)

  it('are exact elements, or ranges', () => {
    expect(open('80', '53/udp', '90-99')).toEqual([
      'open4 udp . 53',
      'open4 tcp . 80',
      'open4_ranges tcp . 90-99',
    ])
  })

  it('are there once, however often they are opened', () => {
    expect(open('80', '80')).toEqual(['open4 tcp . 80'])
    expect(open('95-105', '90-99', '99', '300', '92/udp', '80-91/udp')).toEqual([
      'open4_ranges udp . 80-91',
      'open4_ranges tcp . 90-105',
      'open4 udp . 92',
      'open4 tcp . 300',
    ])
  })
})
