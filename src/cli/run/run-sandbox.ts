import type { SandboxOptions } from '../../api/options.ts'
import { isCnmError } from '../../base/errors.ts'
import type { Controller, KnownNetwork, KnownSandbox, Sandbox } from '../../client/client.ts'
import type { StartedProgram } from '../../linux/program.ts'
import { given } from '../arguments/option-values.ts'
import { connections, nameOptions, type SandboxFlags } from '../arguments/sandbox-options.ts'

export interface RunFlags extends SandboxFlags {
  readonly name?: string
}

/** A network that was there when it was looked at may be gone, and the other way round. */
const tries = 5

/** A sandbox that goes with this process, on networks that are made where they aren't there. */
export async function runSandbox(
  cnm: Controller,
  flags: RunFlags,
  signal: AbortSignal,
): Promise<KnownSandbox> {
  const place = (networks: readonly KnownNetwork[]) => ({
    ephemeral: true,
    program: process.pid,
    host: networks.some(({ name }) => name === 'host'),
  })
  return sandboxOn(cnm, flags, place, signal)
}

/** A sandbox on networks that are made where they aren't there. `place`: where it is, and what it goes with. */
export async function sandboxOn(
  cnm: Controller,
  flags: RunFlags,
  place: (networks: readonly KnownNetwork[]) => SandboxOptions,
  signal: AbortSignal,
): Promise<KnownSandbox> {
  for (let left = tries; ; left -= 1) {
    try {
      return await attempt(cnm, flags, place, signal)
    } catch (error) {
      const raced = isCnmError(error, 'NETWORK_NOT_FOUND') || isCnmError(error, 'NETWORK_EXISTS')
      if (!raced || left === 1) throw error
    }
  }
}

async function attempt(
  cnm: Controller,
  flags: RunFlags,
  place: (networks: readonly KnownNetwork[]) => SandboxOptions,
  signal: AbortSignal,
): Promise<KnownSandbox> {
  const made: KnownNetwork[] = []
  try {
    const networks: KnownNetwork[] = []
    const there = await cnm.networks({ signal })
    for (const [index, name] of (flags.network.length === 0
      ? ['bridge']
      : flags.network
    ).entries()) {
      // By name or whole id. The beginning of an id won't do: `cafe` and `db` are names.
      const found = [...there, ...made].find((each) => each.name === name || each.id === name)
      const ipv6 = index === 0 && flags.ip6 !== undefined ? { ipv6: true } : {}
      const network = found ?? (await cnm.createNetwork({ name, ephemeral: true, ...ipv6, signal }))
      if (found === undefined) made.push(network)
      networks.push(network)
    }
    return await cnm.createSandbox({
      ...place(networks),
      ...given({ name: flags.name }),
      ...nameOptions(flags),
      connect: connections(
        flags,
        networks.map(({ id }) => id),
      ),
      signal,
    })
  } catch (error) {
    // What is gone already, or used by another caller, stays as it is; what is left is collected after a while.
    await Promise.allSettled(made.map((network) => network.delete()))
    throw error
  }
}

/** From now on the sandbox goes with the program, and no more with this process. */
export async function bindProgram(sandbox: Sandbox, program: StartedProgram): Promise<void> {
  try {
    await sandbox.bindProgram(program.pid)
  } catch (error) {
    if (hasEnded(error)) return
    program.kill('SIGKILL')
    await program.ended
    throw error
  }
}

/** It took less time than this, or the daemon is away: then the sandbox goes with this process. */
function hasEnded(error: unknown): boolean {
  return (
    isCnmError(error, 'NAMESPACE_NOT_FOUND') ||
    isCnmError(error, 'SANDBOX_NOT_FOUND') ||
    isCnmError(error, 'DAEMON_UNREACHABLE')
  )
}
