import { describe, expect, it } from 'vitest'
import {
  recordedElements,
  recordedRules,
  recordedSets,
} from '../../../../test/support/nft-recordings.ts'
import type { SetDefinition, Statement, TableDefinition } from '../../ruleset.ts'
import { Writer } from '../netlink/writer.ts'
import { type Element, encodeElement } from './elements/element.ts'
import { elementsBody, setBody } from './message.ts'
import { type Expression, expressions } from './rules/expression.ts'
import { compileRule } from './rules/rule.ts'
import { setAttributes, setShape } from './set.ts'
import {
  UDATA_SET_DATABYTEORDER,
  UDATA_SET_KEYBYTEORDER,
  userDataField,
} from './values/user-data.ts'

/** Ours against what nft sends for the same. */

const sets: Record<keyof typeof recordedSets, SetDefinition> = {
  masquerade4: { name: 'masquerade4', key: ['ifname', 'ipv4_addr'], interval: true },
  plain: { name: 'plain', key: ['ipv4_addr'], interval: true },
  gateway_mode: { name: 'gateway_mode', key: ['nf_proto', 'ifname'], value: 'verdict' },
  ports: {
    name: 'ports',
    key: ['inet_proto', 'inet_service'],
    value: ['ipv4_addr', 'inet_service'],
  },
  quiet: {
    name: 'quiet',
    key: ['ipv4_addr', 'inet_proto', 'inet_service'],
    dynamic: true,
    timeoutMs: 30_000,
  },
}

const table: TableDefinition = {
  family: 'inet',
  name: 't',
  owned: false,
  sets: Object.values(sets),
  chains: [],
}

const rules: Record<keyof typeof recordedRules, readonly Statement[]> = {
  'iifname . ip saddr @masquerade4 masquerade': [
    { lookup: ['iifname', 'ip saddr'], set: 'masquerade4' },
    { masquerade: true },
  ],
  'meta nfproto . oifname vmap @gateway_mode': [
    { vmap: ['meta nfproto', 'oifname'], map: 'gateway_mode' },
  ],
  'dnat ip to meta l4proto . th dport map @ports': [
    { nat: 'dnat', family: 'ip', map: 'ports', key: ['meta l4proto', 'th dport'] },
  ],
  'ct state established,related accept': [
    { match: 'ct state', value: ['established', 'related'] },
    { verdict: 'accept' },
  ],
  'icmpv6 type nd-neighbor-solicit accept': [
    { match: 'icmpv6 type', value: 'nd-neighbor-solicit' },
    { verdict: 'accept' },
  ],
  'update @quiet { ip saddr . meta l4proto . th dport timeout 10s }': [
    { update: 'quiet', key: ['ip saddr', 'meta l4proto', 'th dport'], timeoutMs: 10_000 },
  ],
  'meta mark set meta mark & 0xffff00ff | 0x500': [
    { setMark: 'meta mark', value: 0x500, mask: 0xff00 },
  ],
  'ip6 saddr fe80::/10 drop': [{ match: 'ip6 saddr', value: 'fe80::/10' }, { verdict: 'drop' }],
  'reject with tcp reset': [{ reject: 'tcp reset' }],
  'fib daddr type local limit rate 7/minute log prefix "hello"': [
    { match: 'fib daddr type', value: 'local' },
    { limit: { rate: 7, per: 'minute' } },
    { log: 'hello' },
  ],
}

const elements: Record<keyof typeof recordedElements, Pick<Element, 'key' | 'value'>> = {
  masquerade4: { key: ['br-x', '10.7.0.0/24'] },
  plain: { key: ['10.1.0.0/16'] },
  gateway_mode: { key: ['ipv4', 'br-x'], value: ['goto nat'] },
  ports: { key: ['tcp', '80'], value: ['10.0.0.1', '8080'] },
  quiet: { key: ['10.0.0.1', 'tcp', '80'] },
}

const bytes = (hex: string) => Buffer.from(hex, 'hex')

describe('a rule', () => {
  it.each(Object.entries(rules))('%s', (text, statements) => {
    const recorded = readExpressions(bytes(recordedRules[text as keyof typeof rules]))
    const compiled = compileRule(table, { statements }, () => 1)
    const written = new Writer()
    expressions.write(written, compiled.expressions)
    // nft finds sets by number and leaves out flags that are 0: both are one to the kernel.
    expect(recorded.map(withFlags)).toMatchObject(readExpressions(written.copyFrom(0)))
  })
})

function readExpressions(list: Buffer): readonly Expression[] {
  return expressions.read(list, 0, list.length)
}

function withFlags(expression: Expression): Expression {
  const { is } = expression
  if (is?.kind !== 'lookup' || is.data?.dreg !== undefined) return expression
  return { is: { kind: 'lookup', data: { flags: 0, ...is.data } } }
}

describe('a set', () => {
  it.each(Object.entries(sets))('%s', (name, set) => {
    const recorded = setBody.decode(bytes(recordedSets[name as keyof typeof sets])).attributes
    const { userData, ...ours } = setBody.decode(
      setBody.encode({}, { table: 't', name, ...setAttributes(set) }),
    ).attributes
    expect(recorded).toMatchObject(ours)
    expect(recorded.flags).toBe(ours.flags ?? 0)
    for (const field of [UDATA_SET_KEYBYTEORDER, UDATA_SET_DATABYTEORDER]) {
      expect(userDataField(userData!, field)).toEqual(userDataField(recorded.userData!, field))
    }
  })
})

describe('an element', () => {
  it.each(Object.entries(elements))('of %s', (name, element) => {
    const set = name as keyof typeof sets
    const recorded = elementsBody.decode(bytes(recordedElements[set])).attributes
    // nft begins plain intervals with one that ends at zero; the kernel needs none.
    const entries = recorded.elements?.filter(({ key }) => !key?.value?.every((byte) => byte === 0))
    const commented = set === 'masquerade4' || set === 'plain'
    const ours = encodeElement(setShape(sets[set]), {
      family: 'inet',
      table: 't',
      set,
      ...element,
      ...(commented ? { owner: 'net' } : {}),
      ...(set === 'quiet' ? { timeoutMs: 5000 } : {}),
    })
    const { attributes } = elementsBody.decode(elementsBody.encode({}, { elements: ours }))
    expect(attributes.elements).toEqual(entries)
  })
})
