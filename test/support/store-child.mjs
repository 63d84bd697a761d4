// A process of its own around the local store, for tests in which it dies or its disk fails.
// Usage: node store-child.mjs use|write|fill|empty|turns|network STATE RUN [BYTES]
import { rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { local } from '#dist/store/local/local.js'

const [, , mode, stateDir, runDir, bytes] = process.argv
const store = local({ stateDir, runDir })
const say = (value) => writeSync(1, `${JSON.stringify(value)}\n`)
const refusal = ({ code, details, hint }) => ({ code, errno: details?.errno, hint })
const endpoint = (id, value) => ({ kind: 'endpoint', id, value })

const modes = {
  /** Loads, and works enough to meet every free page. */
  async use() {
    say(await store.load())
    for (let n = 0; n < 300; n++) await store.commit([endpoint(`new${n % 50}`, 'x'.repeat(n * 3))])
    for (let n = 0; n < 50; n++) await store.commit([endpoint(`new${n}`, null)])
  },

  /** Commits until it is killed: three records together, every fifth time a network before them. */
  async write() {
    await store.load()
    for (let n = 1; ; n++) {
      const network = n % 5 === 0 ? [{ kind: 'network', id: 'n', value: n }] : []
      await store.commit([...network, endpoint('a', n), endpoint(`b${n % 7}`, n), endpoint('c', n)])
      say(n)
    }
  },

  /** Commits until the disk is full; then makes room (RUN/room) and goes on. */
  async fill() {
    await store.load()
    let count = 0
    try {
      for (; count < 10_000; count++) {
        const value = 'x'.repeat(900)
        await store.commit([endpoint(`a${count}`, value), endpoint(`b${count}`, value)])
      }
    } catch (error) {
      say({ count, ...refusal(error) })
    }
    await store.commit([endpoint('a0', null)])
    rmSync(join(runDir, 'room'))
    for (let n = 0; n < 20; n++) await store.commit([endpoint(`later${n}`, 'x'.repeat(900))])
    say('went on')
  },

  /** Commits until the disk is full, deletes all of it there, and can commit again. */
  async empty() {
    await store.load()
    let count = 0
    const value = 'x'.repeat(900)
    try {
      for (; count < 10_000; count++) await store.commit([endpoint(`a${count}`, value)])
    } catch (error) {
      say({ count, ...refusal(error) })
    }
    for (let n = 0; n < count; n++) {
      await store.commit([endpoint(`a${n}`, null)])
      // What is still refused is refused as a whole.
      if (n === 3)
        await store
          .commit([endpoint('more', 'x'.repeat(5000))])
          .catch((error) => say(refusal(error)))
    }
    await new Promise((resolve) => setTimeout(resolve, 100))
    for (let n = 0; n < 50; n++) await store.commit([endpoint(`later${n}`, value)])
    say('went on')
    await store.close()
    say((await local({ stateDir, runDir }).load()).records.length)
  },

  /** Fills the disk with records of BYTES, deletes and writes in turns, then deletes everything, and goes on. */
  async turns() {
    await store.load()
    const value = 'x'.repeat(Number(bytes))
    const there = []
    const write = async (id) => {
      await store.commit([endpoint(id, value)])
      there.push(id)
    }
    const fill = async (name) => {
      for (let n = 0; ; n++) await write(`${name}${n}`)
    }
    await fill('a').catch((error) => say({ count: there.length, ...refusal(error) }))
    for (let n = 0; n < 300 && there.length > 0; n++) {
      await store.commit([endpoint(there.shift(), null)])
      await write(`turn${n}`).catch(() => {})
    }
    await fill('b').catch(() => {})
    let deleted = 0
    for (const id of there) {
      await store.commit([endpoint(id, null)])
      if (deleted++ % 100 === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    // The journal is written anew in the background.
    for (let tries = 0; tries < 1000; tries++) {
      const isDone = await write('later0').then(
        () => true,
        () => false,
      )
      if (isDone) break
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    for (let n = 1; n < 50; n++) await write(`later${n}`)
    say('went on')
    await store.close()
    say((await local({ stateDir, runDir }).load()).records.length)
  },

  /** Writes a network and an endpoint. */
  async network() {
    await store.load()
    const network = { kind: 'network', id: 'n', value: 'new' }
    await store.commit([network, endpoint('e', 'new')]).catch((error) => say(refusal(error)))
  },
}

try {
  await modes[mode]()
} catch (error) {
  say(refusal(error))
}
await store.close()
