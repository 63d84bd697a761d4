import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { DockerDaemon } from './docker-daemon.ts'
import { type NamesSubject, pin } from './names-subject.ts'
import { prepared } from './session.ts'
import { address, inside, ip, makeHost } from './traffic-subject.ts'

/** Peers that are installed here, and for each of the others why there is none. */
export async function namesPeers(
  folder: string,
): Promise<{ readonly peers: readonly NamesSubject[]; readonly missing: readonly string[] }> {
  const peers: NamesSubject[] = []
  const missing: string[] = []
  for (const [what, start] of [
    ['Docker', dockerNames],
    ['aardvark-dns', aardvark],
  ] as const) {
    try {
      peers.push(await start(folder))
    } catch (error) {
      missing.push(`no ${what} to compare with: ${(error as Error).message}`)
    }
  }
  return { peers, missing }
}

/** Docker's resolver in a container on a network of the user's. */
async function dockerNames(folder: string): Promise<NamesSubject> {
  if (!DockerDaemon.isInstalled()) throw new Error('dockerd and docker are not installed')
  const { host, outside } = makeHost('names-docker')
  const daemon = new DockerDaemon(prepared(folder, 'memory/names-docker'), host)
  await daemon.answers()
  daemon.importImage(prepared(folder, 'memory/names-image'))
  daemon.docker('network', 'create', 'bench')
  const boxes = ['web', 'asker']
  for (const box of boxes) daemon.run(box, '--network', 'bench')
  pin(daemon.pid)
  return {
    name: `Docker ${daemon.docker('version', '--format', '{{.Server.Version}}').trim()}`,
    namespace: daemon.namespaceOf('asker'),
    server: '127.0.0.11',
    question: 'web',
    pid: daemon.pid,
    goals: {},
    async close() {
      await daemon.stop(boxes)
      for (const name of [host, outside]) ip('netns', 'del', name)
    },
  }
}

const aardvarkProgram = '/usr/lib/podman/aardvark-dns'

/**
 * The resolver of Podman's networks, at the address of a bridge. It is asked in the same namespace, so that
 * the way is as short as for the others. It answers those only whose address it knows.
 */
async function aardvark(folder: string): Promise<NamesSubject> {
  if (!existsSync(aardvarkProgram)) throw new Error(`there is no ${aardvarkProgram}`)
  const [namespace, server] = ['names-aardvark', '10.230.0.1']
  ip('netns', 'add', namespace)
  ip('-n', namespace, 'link', 'set', 'lo', 'up')
  ip('-n', namespace, 'link', 'add', 'bridge0', 'type', 'bridge')
  address(namespace, 'bridge0', `${server}/24`)
  const config = prepared(folder, 'memory/aardvark')
  const lines = [server, `asker ${server}  asker`, 'server 10.230.0.3  web']
  writeFileSync(`${config}/bench`, `${lines.join('\n')}\n`)
  // It returns when its server, a process of its own, is there.
  inside(namespace, [aardvarkProgram, '--config', config, '--port', '53', 'run'])
  const pid = Number(readFileSync(`${config}/aardvark.pid`, 'utf8'))
  pin(pid)
  const version = execFileSync(aardvarkProgram, ['--version'], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  return {
    name: version.trim(),
    namespace,
    server,
    question: 'web',
    pid,
    goals: {},
    async close() {
      process.kill(pid, 'SIGKILL')
      ip('netns', 'del', namespace)
    },
  }
}
