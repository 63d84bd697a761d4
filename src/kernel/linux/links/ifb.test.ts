import { expect, it } from 'vitest'
import { ifbName, shapedLink } from './ifb.ts'

it('names the link for what comes in after the link', () => {
  expect(ifbName('veth0123456789')).toBe('ifb0123456789')
  expect(ifbName('a-name-of-15-ch')).toBe('ifbame-of-15-ch')
  expect(shapedLink('ifb0123456789', [])).toBe('veth0123456789')
})
