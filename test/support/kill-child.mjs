// An engine that changes its host at random until it is killed. It writes down what was promised
// before it goes on: `+name` when a sandbox was made, `-name` when one is about to be deleted and `!name`
// when it was. At the start it looks whether the promises were kept.
import { once } from 'node:events'
import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import { createController, isCnmError } from '#dist/linux/library.js'

const [folder, host, seed] = process.argv.slice(2)
const journal = `${folder}/journal`
const promise = (line) => appendFileSync(journal, `${line}\n`)

let state = Number(seed)
function random(below) {
  state = (state * 1103515245 + 12345) % 2147483648
  return Math.floor((state / 2147483648) * below)
}

const cnm = await createController({
  stateDir: `${folder}/state`,
  runDir: `${folder}/run`,
  host,
})

const must = new Map()
for (const line of existsSync(journal) ? readFileSync(journal, 'utf8').split('\n') : []) {
  const name = line.slice(1)
  if (line[0] === '+') must.set(name, 'there')
  if (line[0] === '-') must.set(name, 'either')
  if (line[0] === '!') must.set(name, 'gone')
}
const names = new Set(cnm.now.sandboxes().map((box) => box.name))
for (const [name, what] of must) {
  if (what === 'there' && !names.has(name)) throw new Error(`sandbox ${name} is lost`)
  if (what === 'gone' && names.has(name)) throw new Error(`sandbox ${name} has come back`)
}
const findings = await cnm.doctor()
if (findings.length > 0) throw new Error(JSON.stringify(findings, null, 2))
for (const name of ['one', 'two']) await cnm.ensureNetwork({ name, ipv6: name === 'two' })
const recorded = cnm.now.sandboxes().flatMap((box) =>
  cnm.now.endpoints({ sandbox: box.id }).map((endpoint) => {
    const { id: name, ipv4, ipv6, ports } = endpoint.info
    return { name, path: box.info.namespace.path, ipv4, ipv6, ports }
  }),
)
process.stdout.write(`${JSON.stringify(recorded)}\n`)
// Until then the test compares that with what is published.
await once(process.stdin, 'data')

const wishes = [
  [],
  ['1-5', '80/udp'],
  ['7000-7001:80-81', '127.0.0.1:7002:80'],
  ['7003-7006:7003-7006', '7002-7003:80-81/udp'],
]

/** Of what is published a part goes; something else comes. */
async function republish(endpoint) {
  const [first] = endpoint.info.ports
  if (first === undefined || random(3) === 0) {
    await endpoint.publish(random(2) ? ['90', '91-95/udp'] : ['7007:90', '7008-7009:7008-7009'])
  } else {
    await endpoint.unpublish([`${first.ports.from}/${first.protocol}`])
  }
}

/** Unless others have the ports. */
async function unlessTaken(work) {
  try {
    await work()
    return true
  } catch (error) {
    if (!isCnmError(error, 'PORT_IN_USE')) throw error
    return false
  }
}

for (let number = 0; ; number += 1) {
  const boxes = cnm.now.sandboxes()
  if (boxes.length < 12 && random(2) === 0) {
    const name = `s${process.pid}-${number}`
    const publish = wishes[random(wishes.length)]
    const connect = [{ network: random(2) ? 'one' : 'two', publish }]
    const other = connect[0].network === 'one' ? 'two' : 'one'
    if (random(2)) connect.push({ network: other, gwPriority: random(2) })
    if (await unlessTaken(() => cnm.createSandbox({ name, connect }))) promise(`+${name}`)
  } else if (boxes.length > 0) {
    const box = boxes[random(boxes.length)]
    const endpoints = cnm.now.endpoints({ sandbox: box.id })
    const endpoint = endpoints[random(endpoints.length)]
    const what = endpoint === undefined ? 7 : random(8)
    if (what < 2) {
      await endpoint.leave()
    } else if (what < 4) {
      await unlessTaken(() => republish(endpoint))
    } else if (what < 6) {
      const limit = () => (random(2) ? { toSandbox: `${1 + random(9)}mbit` } : {})
      await endpoint.update({ rate: { ...limit(), ...(random(2) && { fromSandbox: '5mbit' }) } })
    } else {
      const { name } = box
      promise(`-${name}`)
      await box.delete()
      promise(`!${name}`)
    }
  } else {
    const extra = await cnm.createNetwork({ name: `extra${process.pid}-${number}` })
    await extra.delete()
  }
}
