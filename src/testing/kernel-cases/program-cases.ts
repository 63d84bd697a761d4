import { createSocket } from 'node:dgram'
import { expect } from 'vitest'
import type { IpAddress } from '../../address/address.ts'
import type { Command, Program } from '../../kernel/kernel.ts'
import { fullSample, namespace } from './sample.ts'
import { add, type Case, failureOf } from './world.ts'

/** spawn. */
export function programCases(test: Case): void {
  test('starts a program inside a namespace', async (world) => {
    await add(world, ...fullSample(world))
    const { namespace: inside } = namespace(world)
    const program = await world.kernel.spawn(inside, sh('cat /proc/net/dev'))
    expect(await output(program)).toMatch(/eth0:/)
    expect(await program.ended).toEqual({ code: 0, signal: null })
  })

  test('passes on its environment, folder, input and status', async (world) => {
    const { kernel } = world
    const command = sh('read line; echo "$WORD $PWD $line"; exit 7', {
      cwd: '/',
      env: { WORD: 'w' },
    })
    const program = await kernel.spawn(undefined, command)
    program.stdin?.end('hello\n')
    expect(await output(program)).toBe('w / hello\n')
    expect(await program.ended).toEqual({ code: 7, signal: null })
  })

  test('gives it three descriptors and no more', async (world) => {
    await add(world, ...fullSample(world))
    const { namespace: inside } = namespace(world)
    const program = await world.kernel.spawn(inside, sh('ls /proc/$$/fd'))
    expect((await output(program)).trim().split(/\s+/)).toEqual(['0', '1', '2'])
    await program.ended
  })

  test('passes on signals', async (world) => {
    const program = await world.kernel.spawn(undefined, sh('echo ready; exec cat'))
    await new Promise((resolve) => program.stdout?.once('data', resolve))
    program.kill('SIGTERM')
    expect(await program.ended).toEqual({ code: null, signal: 'SIGTERM' })
  })

  test('shows it files in place of others, and another hostname', async (world) => {
    const source = `${world.namespaceDir}-files/hosts`
    await add(world, { kind: 'file', path: source, content: 'its own\n' })
    const mounts = [
      { source, target: '/etc/hosts' },
      { source, target: '/etc/there/is/no/such/file' },
    ]
    const look = sh('cat /etc/hosts; hostname', { mounts, hostname: 'one.example' })
    const program = await world.kernel.spawn(undefined, look)
    expect(await output(program)).toBe('its own\none.example\n')
    await program.ended
    const other = await world.kernel.spawn(undefined, sh('cat /etc/hosts; hostname'))
    expect(await output(other)).not.toMatch(/its own|one\.example/)
    await other.ended
  })

  test('says which command there is not', async (world) => {
    const argv = ['no-such-command-here'] as const
    const failure = await failureOf(world.kernel.spawn(undefined, { argv, stdio: 'pipe' }))
    expect(failure.code).toBe('COMMAND_NOT_FOUND')
    expect(failure.message).toContain('no-such-command-here')
  })
}

function sh(script: string, options: Partial<Command> = {}): Command {
  return { argv: ['/bin/sh', '-c', script], stdio: 'pipe', env: process.env, ...options }
}

async function output(program: Program): Promise<string> {
  let text = ''
  for await (const chunk of program.stdout ?? []) text += chunk
  return text
}

/** openSocket. */
export function socketCases(test: Case): void {
  test('opens a socket inside a namespace', async (world) => {
    await add(world, ...fullSample(world))
    const { namespace: inside } = namespace(world)
    const request = {
      family: 4,
      type: 'udp',
      address: '10.77.0.2' as IpAddress,
      port: 5353,
    } as const
    const fd = await world.kernel.openSocket(inside, request)
    const socket = createSocket('udp4')
    await new Promise<void>((resolve) => socket.bind({ fd }, resolve))
    expect(socket.address()).toMatchObject({ address: '10.77.0.2', port: 5353 })
    const taken = await failureOf(world.kernel.openSocket(inside, request))
    expect(taken.code).toBe('EADDRINUSE')
    await new Promise<void>((resolve) => socket.close(() => resolve()))
  })

  test('refuses an address that is not there', async (world) => {
    await add(world, ...fullSample(world))
    const { namespace: inside } = namespace(world)
    const elsewhere = {
      family: 4,
      type: 'tcp',
      address: '10.1.2.3' as IpAddress,
      port: 53,
    } as const
    const failure = await failureOf(world.kernel.openSocket(inside, elsewhere))
    expect(failure.code).toBe('EADDRNOTAVAIL')
  })
}
