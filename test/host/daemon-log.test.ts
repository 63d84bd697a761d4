import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { askAt, DaemonProcess, runDir } from '../support/daemon-process.ts'
import { throwAwayHost } from '../support/host.ts'

const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))

it('tells what the daemon is, and what each of its APIs is asked', async () => {
  await using host = await throwAwayHost()
  const plugins = `${host.folder}/plugins`
  const daemon = await new DaemonProcess(host, ['--docker-plugin-dir', plugins]).ready()
  expect(daemon.log.at(-1)).toMatchObject({
    level: 'info',
    time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
    msg: 'ready',
    version: expect.stringMatching(/^\d+\.\d+\.\d+/),
    runDir: runDir(host),
    sockets: [`${runDir(host)}/cnm.sock`, `${runDir(host)}/docker.sock`, `${plugins}/cnm.sock`],
    networks: 2,
    sandboxes: 0,
  })
  await daemon.ask('POST /v1/networks', { name: 'web', subnets: ['10.7.0.0/24'] })
  const same = { Name: 'web', IPAM: { Config: [{ Subnet: '10.7.0.0/24' }] } }
  await askAt(`${runDir(host)}/docker.sock`, 'POST /v1.44/networks/create', same)
  const NetworkID = 'f'.repeat(64)
  const Options = { 'com.docker.network.generic': { mtu: 'secret' } }
  const asked = { NetworkID, Options, IPv4Data: [], IPv6Data: [] }
  await askAt(`${plugins}/cnm.sock`, 'POST /NetworkDriver.CreateNetwork', asked)
  const peer = { level: 'info', pid: process.pid, uid: process.getuid?.() }
  await expect
    .poll(() => daemon.log.slice(-3))
    .toMatchObject([
      { msg: 'create network', code: 'ok', name: 'web', ...peer },
      {
        msg: 'docker: POST /v1.44/networks/create',
        network: 'web',
        status: 409,
        error: 'network with name web already exists',
        ...peer,
      },
      {
        msg: 'docker plugin: POST /NetworkDriver.CreateNetwork',
        NetworkID,
        status: 400,
        error: expect.any(String),
        ...peer,
      },
    ])
  await daemon.ask('POST /v1/down')
  expect(await daemon.stop()).toBe(0)
})

it('is text on a terminal', async () => {
  await using host = await throwAwayHost()
  const folders = `--state-dir ${host.folder}/state --run-dir ${runDir(host)} --idle-exit 1ms`
  const daemon = `nsenter --net=${host.netns} ${process.execPath} ${main} daemon ${folders}`
  const terminal = spawn('script', ['-qec', daemon, '/dev/null'], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, NO_COLOR: '1' },
    timeout: 60_000,
  })
  const said = await text(terminal.stdout)
  expect(said).toMatch(/^\[\d\d:\d\d:\d\d\.\d{3}\] INFO( \(\d+\))?: ready \{"version":"/m)
  expect(said).toMatch(/INFO( \(\d+\))?: nothing is going on any more/)
})
