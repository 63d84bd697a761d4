// An engine's kernel that reserves port 8080 of the host at that path, until it is killed.
import { linuxKernel } from '#dist/kernel/linux/index.js'

const [host] = process.argv.slice(2)
const kernel = await linuxKernel({ host })
const ports = { from: 8080, to: 8080 }
const reservation = { kind: 'reservation', protocol: 'tcp', address: '0.0.0.0', ports }
await kernel.apply({ remove: [], add: [reservation] })
console.log('ready')
setInterval(() => {}, 60_000)
