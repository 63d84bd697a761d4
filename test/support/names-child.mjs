// An engine on a throw-away host, until it is killed: `web` with a sandbox that publishes a port at ::1 and
// port 53, one beside it, and one that belongs to a process; `back` with another one. Arguments: the host's folder,
// its namespace, its resolv.conf, and that process. Says where the sandboxes are when all is there.
import { createController } from '#dist/linux/library.js'

const [folder, host, resolvConf, pid] = process.argv.slice(2)
const cnm = await createController({
  stateDir: `${folder}/state`,
  runDir: `${folder}/run`,
  host,
  dns: { resolvConf },
})
await cnm.createNetwork({ name: 'web', subnets: ['10.7.0.0/24', 'fd00:7::/64'] })
await cnm.createNetwork({ name: 'back', subnets: ['10.8.0.0/24'] })
const publish = ['[::1]:7777:7777', '53:7777', '53:7777/udp']
const wishes = [
  { name: 'api', connect: [{ network: 'web', publish }] },
  { name: 'asker', connect: [{ network: 'web' }] },
  { name: 'lone', connect: [{ network: 'back' }] },
  { name: 'guest', pid: Number(pid), connect: [{ network: 'web' }] },
]
const places = {}
for (const wish of wishes) {
  const box = await cnm.createSandbox(wish)
  const { ipv4 } = cnm.now.endpoints({ sandbox: box.id })[0].info
  places[wish.name] = { path: box.info.namespace.path, address: ipv4 }
}
process.stdout.write(`${JSON.stringify(places)}\n`)
setInterval(() => {}, 2 ** 30)
