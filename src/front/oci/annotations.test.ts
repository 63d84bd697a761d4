import { describe, expect, it } from 'vitest'
import { annotationsOf, type OciOptions, optionsOf } from './annotations.ts'

const lists = {
  network: [],
  publish: [],
  expose: [],
  alias: [],
  dns: [],
  dnsSearch: [],
  dnsOption: [],
  addHost: [],
  addresses: [],
  macs: [],
}

const all: Readonly<Record<string, string>> = {
  'cnm.network': 'web,db',
  'cnm.name': 'api',
  'cnm.ip': '10.7.0.5',
  'cnm.ip6': 'fd00::5',
  'cnm.mac-address': '02:42:0a:07:00:05',
  'cnm.publish': '8080:80,127.0.0.1::9090/udp',
  'cnm.publish-all': 'true',
  'cnm.expose': '80',
  'cnm.addresses': '10.7.0.9,fd00::9',
  'cnm.macs': 'any',
  'cnm.rate-in': '100mbit',
  'cnm.rate-out': '10mbit',
  'cnm.gw-priority': '-3',
  'cnm.alias': 'shop',
  'cnm.hostname': 'shop1',
  'cnm.dns': '10.7.0.53',
  'cnm.dns-search': 'example.org',
  'cnm.dns-option': 'ndots:2',
  'cnm.add-host': 'db:10.7.0.9,gate:host-gateway',
  'cnm.mount-etc': 'false',
}

describe('annotations', () => {
  it('become options, and these the same annotations again', () => {
    const options = optionsOf({ ...all, 'org.example': 'x' })
    expect(options).toEqual({
      network: ['web', 'db'],
      name: 'api',
      ip: '10.7.0.5',
      ip6: 'fd00::5',
      macAddress: '02:42:0a:07:00:05',
      publish: ['8080:80', '127.0.0.1::9090/udp'],
      publishAll: true,
      expose: ['80'],
      addresses: ['10.7.0.9', 'fd00::9'],
      macs: ['any'],
      rateIn: '100mbit',
      rateOut: '10mbit',
      gwPriority: -3,
      alias: ['shop'],
      hostname: 'shop1',
      dns: ['10.7.0.53'],
      dnsSearch: ['example.org'],
      dnsOption: ['ndots:2'],
      addHost: ['db:10.7.0.9', 'gate:host-gateway'],
      mountEtc: false,
    })
    expect(annotationsOf(options!)).toEqual(all)
  })

  it('may have spaces around what is in a list', () => {
    expect(optionsOf({ 'cnm.network': ' web , db' })).toEqual({ ...lists, network: ['web', 'db'] })
  })

  it('name a sandbox instead', () => {
    const options = optionsOf({ 'cnm.sandbox': 'pod1', 'cnm.mount-etc': 'true' })
    expect(options).toEqual({ ...lists, sandbox: 'pod1', mountEtc: true })
  })

  it('of others are nothing to us', () => {
    expect(optionsOf({})).toBeUndefined()
    expect(optionsOf({ 'org.example': 'x', cnm: 'y' })).toBeUndefined()
  })

  it.each([
    [{ 'cnm.network': 'web', 'cnm.port': '80' }, 'there is no annotation cnm.port'],
    [{ 'cnm.network': 'web', 'cnm.toString': '' }, 'there is no annotation cnm.toString'],
    [{ 'cnm.publish': '80' }, 'annotations of the container say how it is attached, and not'],
    [{ 'cnm.network': '' }, 'annotations of the container say how it is attached, and not'],
    [{ 'cnm.network': 'web', 'cnm.sandbox': 'a' }, "cnm.network can't be given with cnm.sandbox"],
    [{ 'cnm.sandbox': 'a', 'cnm.ip': '::' }, "cnm.ip can't be given with cnm.sandbox"],
    [{ 'cnm.network': 'web,host' }, 'the network "host" is the host\'s own'],
    [{ 'cnm.gw-priority': 'x' }, 'cnm.gw-priority is "x"; it must be a whole number'],
    [{ 'cnm.publish-all': 'yes' }, 'cnm.publish-all is "yes"; it must be "true" or "false"'],
  ])('like %j are refused', (annotations, message) => {
    const given = annotations as unknown as Record<string, string>
    expect(() => optionsOf(given)).toThrow(message)
  })
})

describe('options', () => {
  it('that have no annotation are left out', () => {
    const options = { ...lists, network: ['web'], json: true, host: '/run/x' }
    expect(annotationsOf(options as OciOptions)).toEqual({ 'cnm.network': 'web' })
  })

  it.each(['a,b', '', ' a'])("can't have %j in a list", (name) => {
    const options: OciOptions = { ...lists, network: [name] }
    expect(() => annotationsOf(options)).toThrow("can't be in a list of cnm.network")
  })
})
