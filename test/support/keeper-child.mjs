// An engine's kernel with a keeper, that adds some resources and goes on until it is killed.
import { linuxKernel } from '#dist/kernel/linux/index.js'

const [options, resources] = process.argv.slice(2).map((text) => JSON.parse(text))
const kernel = await linuxKernel(options)
await kernel.apply({ remove: [], add: resources })
console.log('ready')
setInterval(() => {}, 60_000)
