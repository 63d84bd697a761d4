import { describe, expect, it } from 'vitest'
import type { Resource } from '../../kernel/resource.ts'
import { Ledger } from './ledger.ts'
import { Leftovers } from './leftovers.ts'

const lan: Resource = { kind: 'bridge', name: 'br-lan', origin: 'own', ipv6: false }
const web: Resource = { ...lan, name: 'br-web' }

describe('the record of what could not be taken back', () => {
  it('keeps what a step has claimed that may yet fail', () => {
    const ledger = new Ledger()
    const leftovers = new Leftovers(ledger)
    leftovers.add([lan])
    ledger.claim([{ owner: 'network:lan', from: [], to: [lan] }])
    expect(leftovers.all()).toEqual([])
    expect(leftovers.add([web])[0]?.value).toMatchObject({ resources: [lan, web] })
  })

  it('goes with the last of them', () => {
    const leftovers = new Leftovers(new Ledger())
    leftovers.add([lan, web])
    expect(leftovers.remove([web])[0]?.value).toMatchObject({ resources: [lan] })
    expect(leftovers.remove([lan])[0]?.value).toBeNull()
    expect(leftovers.remove([lan])).toEqual([])
  })
})
