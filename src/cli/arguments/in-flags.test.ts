import { expect, it } from 'vitest'
import { CnmError, type ErrorCode } from '../../base/errors.ts'
import { inFlags } from './in-flags.ts'

it.each([
  ['sandbox options: extraHosts has "x", which', '--add-host has "x", which'],
  ['sandbox options: dnsSearch is "a b"', '--dns-search is "a b"'],
  ['sandbox options: dnsOptions.2 must be string', '--dns-option.2 must be string'],
  ['endpoint options: rate.toSandbox is "x"', '--rate-in is "x"'],
  ['endpoint options: toString is "x"', 'endpoint options: toString is "x"'],
  ['endpoint options: unknown option "foo"', 'endpoint options: unknown option "foo"'],
  ['there is no network "sandbox options: dns x"', 'there is no network "sandbox options: dns x"'],
])('says for %j %j', (message, said) => {
  expect(inFlags(new CnmError('INVALID_OPTION', message)).message).toBe(said)
})

it.each<[ErrorCode, object, string | undefined]>([
  ['NETWORK_EXISTS', {}, 'use another name, or the network that is there'],
  ['NETWORK_IN_USE', {}, 'disconnect them first, or use --force'],
  ['NOT_ALLOWED', { origin: 'host' }, 'make the sandbox with --host-stack'],
  ['NOT_ALLOWED', {}, 'as it was'],
])('knows the way out of %s %j', (code, details, hint) => {
  const error = new CnmError(code, 'no', { details: { ...details }, hint: 'as it was' })
  expect(inFlags(error)).toMatchObject({ code, details, hint, message: 'no' })
})

it('keeps what has no hint without one', () => {
  expect(inFlags(new CnmError('INTERNAL', 'no'))).toMatchObject({ hint: undefined })
})
