import { lstat } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { askAt, DaemonProcess, isWarning } from '../support/daemon-process.ts'
import { daemonAtGivenSocket } from '../support/given-socket.ts'
import { throwAwayHost } from '../support/host.ts'
import { run } from '../support/run.ts'

const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))
const activate = 'POST /Plugin.Activate'
const activated = { status: 200, body: '{"Implements":["NetworkDriver","IpamDriver"]}' }

it('serves dockerd in the folder that is named, for root alone', async () => {
  await using host = await throwAwayHost()
  const folder = join(host.folder, 'some', 'plugins')
  const daemon = await new DaemonProcess(host, ['--docker-plugin-dir', folder]).ready()
  const socket = join(folder, 'cnm.sock')
  expect(await askAt(socket, activate)).toEqual(activated)
  expect((await lstat(socket)).mode & 0o007).toBe(0)
  expect(await daemon.stop()).toBe(0)
  await expect(lstat(socket)).rejects.toMatchObject({ code: 'ENOENT' })
})

it('serves dockerd at a socket that was made for it', async () => {
  await using host = await throwAwayHost()
  const { daemon, path } = await daemonAtGivenSocket(host, 'docker-plugin.sock')
  expect(await askAt(path, activate)).toEqual(activated)
  expect(daemon.log.filter(isWarning)).toEqual([])
  expect(await daemon.stop()).toBe(0)
})

it('serves the dockerd of its host without being told, and only there', async () => {
  await using host = await throwAwayHost()
  const socket = '/run/docker/plugins/cnm.sock'
  const script = `
    mount -t tmpfs tmpfs /run
    mount -t tmpfs tmpfs /var/lib
    daemon() {
      "$0" "$1" daemon --log-level warn $2 &
      for try in $(seq 200); do
        test -S "\${3:-/run/cnm}/cnm.sock" && "$0" "$1" network ls --host "\${3:-/run/cnm}/cnm.sock" >/dev/null 2>&1 && break
        sleep 0.1
      done
      test -S ${socket} && echo "$2: there" || echo "$2: not there"
      kill $! && wait $!
    }
    daemon "$1" ""
    mkdir -p /run/docker/plugins
    daemon "$1" ""
    daemon "$1" "--idle-exit 60s"
    daemon "$1" "--run-dir /run/other" /run/other`
  const own = ['unshare', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc']
  const argv = [...own, '--propagation', 'private', 'sh', '-eu', '-c', script]
  const said = await run(['nsenter', `--net=${host.netns}`, ...argv, process.execPath, main], {
    timeoutMs: 50_000,
  })
  expect(said.trim().split('\n')).toEqual([
    ': not there',
    ': there',
    '--idle-exit 60s: not there',
    '--run-dir /run/other: not there',
  ])
})
