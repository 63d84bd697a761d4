import { DockerDaemon } from './docker-daemon.ts'
import { prepared } from './session.ts'
import {
  IPERF,
  ip,
  makeHost,
  SERVED,
  serve,
  serving,
  stop,
  type TrafficSubject,
} from './traffic-subject.ts'

/**
 * A container of a real dockerd. What serves is started in its network namespace. undefined: there is no
 * dockerd here.
 */
export async function docker(folder: string): Promise<TrafficSubject | undefined> {
  if (!DockerDaemon.isInstalled()) return undefined
  const { host, outside } = makeHost('docker')
  const daemon = new DockerDaemon(prepared(folder, 'memory/docker'), host)
  await daemon.answers()
  daemon.importImage(prepared(folder, 'memory/image'))
  const published = [`8080:${SERVED}`, `${IPERF}:${IPERF}`]
  daemon.run('serve', ...published.flatMap((port) => ['--publish', port]))
  const namespace = daemon.namespaceOf('serve')
  const servers = [
    await serve(namespace, serving.connections),
    await serve(namespace, serving.iperf),
  ]
  return {
    name: 'docker, published port',
    outside,
    connections: { address: '192.0.2.1', port: 8080 },
    iperf: { address: '192.0.2.1', port: IPERF },
    fill: () => daemon.run('crowd', '--publish', '20000-20998:30000-30998'),
    async close() {
      for (const server of servers) await stop(server)
      await daemon.stop(['serve', 'crowd'])
      for (const name of [host, outside]) ip('netns', 'del', name)
    },
  }
}
