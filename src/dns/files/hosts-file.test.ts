import { expect, it } from 'vitest'
import { parseAddress } from '../../address/address.ts'
import { hostsText } from './hosts-file.ts'

it('begins with what is everywhere, and ends with extra hosts in their order', () => {
  const extra = [
    { address: parseAddress('10.0.0.9'), names: ['db', 'db.example'] },
    { address: parseAddress('fd00::9'), names: ['db'] },
  ]
  expect(hostsText(extra)).toBe(
    '127.0.0.1\tlocalhost\n' +
      '::1\tlocalhost ip6-localhost ip6-loopback\n' +
      'fe00::\tip6-localnet\n' +
      'ff00::\tip6-mcastprefix\n' +
      'ff02::1\tip6-allnodes\n' +
      'ff02::2\tip6-allrouters\n' +
      '10.0.0.9\tdb db.example\n' +
      'fd00::9\tdb\n',
  )
})
