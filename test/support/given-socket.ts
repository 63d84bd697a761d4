import { rename } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { DaemonProcess } from './daemon-process.ts'
import type { ThrowAwayHost } from './host.ts'

/** A daemon that was handed on a listening socket of that name, as systemd does, and the path of that. */
export async function daemonAtGivenSocket(
  host: ThrowAwayHost,
  name: string,
): Promise<{ readonly daemon: DaemonProcess; readonly path: string }> {
  const path = join(host.folder, 'given.sock')
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(join(host.folder, 'made'), resolve))
  // Or closing it here would take it away.
  await rename(join(host.folder, 'made'), path)
  const { fd } = (server as unknown as { _handle: { fd: number } })._handle
  const env = { LISTEN_FDS: '1', LISTEN_FDNAMES: name }
  const daemon = await new DaemonProcess(host, [], { env, descriptors: [fd] }).ready()
  server.close()
  return { daemon, path }
}
