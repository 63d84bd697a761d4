import { expect, it } from 'vitest'
import { familyOf, type IpAddress } from '../../address/address.ts'
import type { PortBinding } from '../../driver/driver.ts'
import { cutBindings, remainingWishes } from './bindings.ts'
import { parsePublished, publishedText } from './port-spec.ts'

const everywhere = '::' as IpAddress
const binding = (text: string): PortBinding => {
  const { hostAddress = everywhere, ...port } = parsePublished(text)
  return { ...port, hostAddress, family: familyOf(hostAddress) }
}

it.each([
  ['what is the same', ['8080:80'], '8080:80', [], ['8080:80']],
  [
    'a part of a range',
    ['80-89:80-89'],
    '83-84:83-84',
    ['80-82:80-82', '85-89:85-89'],
    ['83-84:83-84'],
  ],
  ['nothing with another host port', ['8080:80'], '8081:80', ['8080:80'], []],
  ['all that lead to a port', ['8080:80', '8081:80'], '80', [], ['8080:80', '8081:80']],
  ['what has no host port, once', ['80', '80'], '8080:80', ['80'], ['80']],
  [
    'of several ranges each port once',
    ['80-82', '81-83'],
    '8080-8083:80-83',
    ['81-82'],
    ['80-82', '83'],
  ],
  ['what has no host port, all', ['80', '80-82'], '80', ['81-82'], ['80', '80']],
])('cuts %s', (_, from, selected, kept, cut) => {
  const left = cutBindings(from.map(binding), parsePublished(selected))
  const texts = (bindings: readonly PortBinding[]) => bindings.map(publishedText)
  expect({ kept: texts(left.kept), cut: texts(left.cut) }).toEqual({
    kept: texts(kept.map(binding)),
    cut: texts(cut.map(binding)),
  })
})

it.each([
  ['all, if nothing is gone', ['8080:80', '90'], ['8080:80', '40000:90'], [], ['8080:80', '90']],
  ['none whose bindings are gone', ['8080:80', '90'], ['8080:80', '40000:90'], ['90'], ['8080:80']],
  [
    'what is left of a range',
    ['8080-8082:80-82'],
    ['8080-8082:80-82', '0.0.0.0::80-82'],
    ['8081:81'],
    ['[::]:8080:80', '[::]:8082:82', '0.0.0.0::80', '0.0.0.0::82'],
  ],
  [
    'a wish for the same port without a host port of its own',
    ['8080:80', '8081:80'],
    ['8080:80', '0.0.0.0::80', '8081:80', '0.0.0.0::80'],
    ['8080:80'],
    ['8081:80'],
  ],
  [
    'those for any host port, where one for a certain one is gone',
    ['80', '8080:80', '9000-9009:80', '80'],
    ['40000:80', '8080:80', '9000:80', '40001:80'],
    ['8080:80'],
    ['80', '9000-9009:80', '80'],
  ],
  [
    'those for a certain host port, where one for any is gone',
    ['80', '127.0.0.1::80', '8080:80'],
    ['40000:80', '0.0.0.0:40000:80', '127.0.0.1:40001:80', '8080:80', '0.0.0.0:8080:80'],
    ['40000:80'],
    ['127.0.0.1::80', '8080:80'],
  ],
  [
    'nothing that was at a host address where no host port is used',
    ['192.0.2.1:8080:80', '8081:81'],
    ['0.0.0.0::80', '0.0.0.0::81', '8081:81'],
    ['192.0.2.1:8080:80'],
    ['8081:81'],
  ],
  ['none, if all is gone', ['80', '8080:80', '80'], ['1:80', '8080:80', '2:80'], ['80'], []],
])('leaves of wishes %s', (_, wishes, made, unpublished, left) => {
  const before = made.map(binding)
  const kept = unpublished.reduce<readonly PortBinding[]>(
    (bindings, text) => cutBindings(bindings, parsePublished(text)).kept,
    before,
  )
  const remaining = remainingWishes(wishes.map(parsePublished), before, kept)
  expect(remaining.map(publishedText)).toEqual(left.map((text) => `${text}/tcp`))
})
