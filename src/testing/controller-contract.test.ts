import { DaemonRig } from '../../test/support/daemon-rig.ts'
import { MemoryRig } from '../../test/support/memory-rig.ts'
import { connectController } from '../client/client.ts'
import { controllerContract } from './controller-contract.ts'

controllerContract('the library', async () => {
  const controller = await new MemoryRig().start()
  return { controller, [Symbol.asyncDispose]: () => controller.close() }
})

controllerContract('the client', async () => {
  const rig = await DaemonRig.start()
  const controller = await connectController({ socket: rig.socket })
  return {
    controller,
    [Symbol.asyncDispose]: async () => {
      await controller.close()
      await rig[Symbol.asyncDispose]()
    },
  }
})
