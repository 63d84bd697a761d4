import { describe, expect, it } from 'vitest'
import { optionsOf } from './annotations.ts'
import {
  attachedSpec,
  isMounted,
  type OciSpec,
  parseSpec,
  refuseNamespace,
  rootOf,
} from './spec.ts'

const hook = { path: '/usr/bin/node', args: ['cnm', '/x/main.js', 'oci-hook'], timeout: 30 }
const other = { path: '/usr/bin/other', args: ['other'], env: ['A=b'] }

function specWith(more: object = {}, network: object = { type: 'network' }): OciSpec {
  return parseSpec({
    ociVersion: '1.0.2',
    process: { args: ['sh'] },
    root: { path: 'rootfs', readonly: true },
    hostname: 'runc',
    linux: { namespaces: [{ type: 'mount' }, network, { type: 'uts' }], resources: {} },
    ...more,
  })
}

function attached(spec: OciSpec, annotations: Record<string, string>, namespace?: string): OciSpec {
  const options = optionsOf(annotations)!
  return attachedSpec(spec, { options, hook, ...(namespace ? { namespace } : {}) })
}

describe('a spec', () => {
  it('gets hooks and annotations, and is the same in all else', () => {
    const spec = specWith()
    expect(attached(spec, { 'cnm.network': 'web', 'cnm.publish': '80' })).toEqual({
      ...spec,
      annotations: { 'cnm.network': 'web', 'cnm.publish': '80' },
      hooks: { createRuntime: [hook], poststop: [hook] },
    })
  })

  it("keeps other people's", () => {
    const spec = specWith({
      annotations: { 'org.example': 'x' },
      hooks: { prestart: [other], createRuntime: [other] },
    })
    expect(attached(spec, { 'cnm.network': 'web' })).toMatchObject({
      annotations: { 'org.example': 'x', 'cnm.network': 'web' },
      hooks: { prestart: [other], createRuntime: [other, hook], poststop: [hook] },
    })
  })

  it('is the same after the second time, and forgets what was said before', () => {
    const once = attached(specWith(), { 'cnm.network': 'web', 'cnm.publish': '80' })
    const again = attached(once, { 'cnm.network': 'web', 'cnm.publish': '80' })
    expect(JSON.stringify(again)).toBe(JSON.stringify(once))
    expect(attached(once, { 'cnm.network': 'db' }).annotations).toEqual({ 'cnm.network': 'db' })
  })

  it('gets the hostname, if it has a UTS namespace of its own', () => {
    const given = { 'cnm.network': 'web', 'cnm.hostname': 'shop' }
    expect(attached(specWith(), given).hostname).toBe('shop')
    const linux = { namespaces: [{ type: 'network' }, { type: 'mount' }] }
    expect(attached(specWith({ linux }), given).hostname).toBe('runc')
  })

  it('gets the namespace of a sandbox that is named, and gives it back', () => {
    const spec = specWith()
    const inside = attached(spec, { 'cnm.sandbox': 'pod1' }, '/run/cnm/netns/1')
    expect(inside.linux.namespaces).toContainEqual({ type: 'network', path: '/run/cnm/netns/1' })
    expect(inside.hooks).toEqual({ createRuntime: [hook] })
    const moved = attached(inside, { 'cnm.sandbox': 'pod2' }, '/run/cnm/netns/2')
    expect(moved.linux.namespaces).toContainEqual({ type: 'network', path: '/run/cnm/netns/2' })
    expect(attached(moved, { 'cnm.network': 'web' }).linux).toEqual(spec.linux)
  })

  it('that uses the network of the host is refused', () => {
    const spec = specWith({ linux: { namespaces: [{ type: 'pid' }] } })
    const message = "the container uses the host's own network"
    expect(() => attached(spec, { 'cnm.network': 'web' })).toThrow(message)
    expect(() => attached(spec, { 'cnm.sandbox': 'pod1' }, '/run/x')).toThrow(message)
    expect(() => refuseNamespace(specWith({ linux: {} }))).toThrow(message)
  })

  it('that uses a foreign namespace is refused', () => {
    const spec = specWith({}, { type: 'network', path: '/run/netns/blue' })
    const message = 'the container uses the network namespace /run/netns/blue'
    expect(() => attached(spec, { 'cnm.network': 'web' })).toThrow(message)
    expect(() => attached(spec, { 'cnm.sandbox': 'pod1' }, '/run/x')).toThrow(message)
    const same = attached(spec, { 'cnm.sandbox': 'pod1' }, '/run/netns/blue')
    expect(same.linux).toEqual(spec.linux)
  })

  it.each([
    [[{ type: 'network' }]],
    [[{ type: 'network' }, { type: 'mount', path: '/proc/1/ns/mnt' }]],
  ])('whose mounts are not its own is refused: %j', (namespaces) => {
    const spec = specWith({ linux: { namespaces } })
    const message = 'the container has no mounts of its own'
    expect(() => attached(spec, { 'cnm.network': 'web' })).toThrow(message)
    const bare = { 'cnm.network': 'web', 'cnm.mount-etc': 'false' }
    expect(attached(spec, bare).linux).toEqual(spec.linux)
  })

  it.each([
    [{}, 'config.json: must have required properties'],
    [{ root: { path: '' }, linux: {} }, 'config.json: root.path must not have fewer than 1'],
    [{ root: { path: 'r' }, linux: {}, hooks: { poststop: {} } }, 'must be array'],
  ])('like %j is refused', (value, message) => {
    expect(() => parseSpec(value)).toThrow(message)
  })
})

describe('of a spec', () => {
  it('the root is found', () => {
    expect(rootOf(specWith(), '/b')).toBe('/b/rootfs')
    expect(rootOf(specWith({ root: { path: '/r' } }), '/b')).toBe('/r')
  })

  it('mounts are found, however they are written', () => {
    const targets = ['/etc/hosts', '/etc/hostname', '/etc/resolv.conf']
    const mountedBy = (...all: string[]) => {
      const spec = specWith({ mounts: all.map((destination) => ({ destination })) })
      return targets.filter((target) => isMounted(spec, target))
    }
    expect(mountedBy('/etc//hosts', 'etc/hostname')).toEqual(['/etc/hosts', '/etc/hostname'])
    expect(mountedBy('/etc/./hosts', '/etc/resolv.conf/')).toEqual([
      '/etc/hosts',
      '/etc/resolv.conf',
    ])
    expect(mountedBy('/etc', '/etc/hosts.d')).toEqual([])
  })
})
