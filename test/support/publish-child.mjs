// An engine that publishes a port of a sandbox, and waits to be killed.
import { createController } from '#dist/linux/library.js'

const [folder, host] = process.argv.slice(2)
const cnm = await createController({ stateDir: `${folder}/state`, runDir: `${folder}/run`, host })
await cnm.createNetwork({ name: 'web', ipv6: true })
await cnm.createSandbox({ name: 'api', connect: [{ network: 'web', publish: ['8080:80'] }] })
process.stdout.write('ready\n')
