import { afterEach, expect, it } from 'vitest'
import { armFault, disarmFault, faultCalls, faultDue, faultPoint, uncounted } from './fault.ts'

afterEach(disarmFault)

it('fails the k-th call, once', () => {
  armFault(2)
  faultPoint('mount', '/a')
  expect(() => faultPoint('mount', '/b')).toThrow('mount /b: EIO: injected fault')
  faultPoint('mount', '/c')
  expect(faultDue()).toBe(false)
  expect(faultCalls()).toBe(4)
})

it('counts anew when it is armed again', () => {
  armFault(1)
  expect(faultDue()).toBe(true)
  armFault(1)
  expect(faultCalls()).toBe(0)
  expect(faultDue()).toBe(true)
})

it('does nothing while it is not armed', () => {
  armFault(1)
  disarmFault()
  faultPoint('unshare')
  expect(faultCalls()).toBe(0)
})

it('lets be what is not counted, and counts on afterwards', () => {
  armFault(2)
  faultPoint('mount')
  uncounted(() => faultPoint('send'))
  expect(() =>
    uncounted(() => {
      throw new Error('a failure')
    }),
  ).toThrow('a failure')
  expect(() => faultPoint('mount')).toThrow('injected fault')
  expect(faultCalls()).toBe(2)
})
