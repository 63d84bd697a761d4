import { join } from 'node:path'
import { expect } from 'vitest'
import {
  createController,
  type EngineOptions,
  type LocalController,
  type LocalSandbox,
} from '#dist/linux/library.js'
import { type ThrowAwayHost, type ThrowAwayHostOptions, throwAwayHost } from './host.ts'

/** A throw-away host on which engines can be started, one after the other. */
export class EngineRig implements AsyncDisposable {
  readonly host: ThrowAwayHost
  readonly problems: unknown[] = []
  #engine: LocalController | undefined

  constructor(host: ThrowAwayHost) {
    this.host = host
  }

  get options(): EngineOptions {
    return {
      stateDir: join(this.host.folder, 'state'),
      runDir: join(this.host.folder, 'run'),
      host: this.host.netns,
      onProblem: (problem) => this.problems.push(problem),
    }
  }

  async start(options: EngineOptions = {}): Promise<LocalController> {
    this.#engine = await createController({ ...this.options, ...options })
    return this.#engine
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#engine?.close()
    await this.host[Symbol.asyncDispose]()
  }
}

export async function engineRig(options: ThrowAwayHostOptions = {}): Promise<EngineRig> {
  return new EngineRig(await throwAwayHost(options))
}

/**
 * Whether an address answers a ping from inside a sandbox. Within two seconds, because a neighbour that
 * missed the first question is asked again only after one.
 */
export async function reaches(from: LocalSandbox, address: string | undefined): Promise<boolean> {
  const { code, stderr } = await from.exec(['ping', '-c1', '-W5', String(address)])
  // 1: no answer. Anything else is a mistake of the test, or no route at all.
  if (code === 0 || code === 1 || stderr.includes('unreachable')) return code === 0
  throw new Error(`ping ${address}: ${stderr}`)
}

export type Way = readonly [
  from: LocalSandbox,
  to: string | Promise<string> | undefined,
  expected: boolean,
]

/** All are tried at once: that nothing comes back takes its time. */
export async function expectReached(...ways: readonly Way[]): Promise<void> {
  const tries = ways.map(async ([from, to, expected]) => {
    const address = await to
    expect(await reaches(from, address), `${from.ref} to ${address}`).toBe(expected)
  })
  await Promise.all(tries)
}

export async function addressOf(
  box: LocalSandbox,
  family: 'ipv4' | 'ipv6' = 'ipv4',
  index = 0,
): Promise<string> {
  const address = (await (await box.endpoints())[index]?.inspect())?.[family]
  if (address === undefined) throw new Error(`${box.ref} has no ${family} address`)
  return address
}
