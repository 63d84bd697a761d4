import { storeContract } from '../../testing/store-contract.ts'
import { type MemoryContents, memory } from './memory.ts'

storeContract('memory', async () => {
  const contents: MemoryContents = new Map()
  return { open: () => memory(contents), dispose: async () => {} }
})
