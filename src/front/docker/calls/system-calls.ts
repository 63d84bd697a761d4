import { arch, cpus, hostname, release, totalmem } from 'node:os'
import { latestVersion, oldestVersion } from '../versions.ts'
import type { Answer, Call } from './call.ts'

export function ping({ request, response }: Call): undefined {
  response.writeHead(200, {
    'Cache-Control': 'no-cache, no-store, must-revalidate',
    Pragma: 'no-cache',
    'Content-Type': 'text/plain; charset=utf-8',
    'Content-Length': request.method === 'HEAD' ? 0 : 2,
  })
  response.end(request.method === 'HEAD' ? undefined : 'OK')
}

/** What Go calls this processor. */
function goArch(): string {
  return { x64: 'amd64', ia32: '386' }[arch() as string] ?? arch()
}

export function version({ front }: Call): Answer {
  const about = {
    ApiVersion: latestVersion,
    MinAPIVersion: oldestVersion,
    Os: 'linux',
    Arch: goArch(),
    KernelVersion: release(),
  }
  const nothing = { GitCommit: '', GoVersion: '', BuildTime: '' }
  const details = { ...about, ...nothing, Experimental: 'false' }
  const body = {
    Platform: { Name: 'libcnm' },
    Components: [{ Name: 'Engine', Version: front.version, Details: details }],
    Version: front.version,
    ...about,
    ...nothing,
  }
  return { status: 200, body }
}

/** What `docker info` shows and is true; there are no images, no storage and no swarm. */
export function info({ front }: Call): Answer {
  const count = front.controller.now.sandboxes().length
  const body = {
    ID: hostname(),
    Containers: count,
    ContainersRunning: count,
    ContainersPaused: 0,
    ContainersStopped: 0,
    Images: 0,
    Driver: 'none',
    DriverStatus: null,
    Plugins: { Volume: null, Network: front.drivers, Authorization: null, Log: null },
    SystemTime: new Date().toISOString(),
    KernelVersion: release(),
    OperatingSystem: 'Linux',
    OSType: 'linux',
    Architecture: arch() === 'x64' ? 'x86_64' : arch(),
    NCPU: cpus().length,
    MemTotal: totalmem(),
    Name: hostname(),
    Labels: [],
    ServerVersion: front.version,
    Swarm: { NodeID: '', NodeAddr: '', LocalNodeState: 'inactive', ControlAvailable: false },
    SecurityOptions: [],
    // Without one, clients warn of all that isn't mentioned.
    Warnings: ['this is a network engine: it has no containers, images or volumes'],
  }
  return { status: 200, body }
}
