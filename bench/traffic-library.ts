import { once } from 'node:events'
import { createController, type LocalSandbox } from 'libcnm/linux'
import { prepared } from './session.ts'
import {
  IPERF,
  ip,
  makeHost,
  pathOf,
  SERVED,
  serving,
  type TrafficSubject,
} from './traffic-subject.ts'

const further = '20000-20998:30000-30998'

/** A sandbox of the library with two ports published, and a second one on its network. */
export async function published(folder: string): Promise<TrafficSubject> {
  const { host, outside } = makeHost('cnm')
  const cnm = await createController({
    stateDir: prepared(folder, 'traffic-state'),
    runDir: prepared(folder, 'memory/traffic-run'),
    host: pathOf(host),
  })
  await cnm.createNetwork({ name: 'bench', subnets: ['10.220.0.0/24'] })
  const publish = [`8080:${SERVED}`, `${IPERF}:${IPERF}`]
  const box = await cnm.createSandbox({ connect: [{ network: 'bench', publish }] })
  const neighbour = await cnm.createSandbox({ connect: [{ network: 'bench' }] })
  const endpoint = (await box.endpoints())[0]!
  const programs = [await started(box, serving.connections), await started(box, serving.iperf)]
  return {
    name: 'cnm, published port',
    outside,
    connections: { address: '192.0.2.1', port: 8080 },
    iperf: { address: '192.0.2.1', port: IPERF },
    neighbour: {
      namespace: (await neighbour.inspect()).namespace!.path,
      address: (await endpoint.inspect()).ipv4!,
    },
    async crowd(on) {
      if (on) await endpoint.publish([further])
      else await endpoint.unpublish([further])
    },
    async close() {
      for (const program of programs) {
        program.kill('SIGKILL')
        await program.ended
      }
      await box.delete()
      await neighbour.delete()
      await cnm.network('bench').delete()
      await cnm.close()
      for (const name of [host, outside]) ip('netns', 'del', name)
    },
  }
}

async function started(box: LocalSandbox, argv: readonly [string, ...string[]]) {
  const program = await box.spawn(argv)
  await once(program.stdout!, 'data')
  program.stdout!.resume()
  return program
}
