import { join } from 'node:path'
import { expect } from 'vitest'
import {
  type Controller,
  createController,
  type EngineOptions,
  type Sandbox,
} from '#dist/linux/library.js'
import { type ThrowAwayHost, type ThrowAwayHostOptions, throwAwayHost } from './host.ts'

/** A throw-away host on which engines can be started, one after the other. */
export class EngineRig implements AsyncDisposable {
  readonly host: ThrowAwayHost
  readonly problems: unknown[] = []
  #engine: Controller | undefined

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

  async start(options: EngineOptions = {}): Promise<Controller> {
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
export async function reaches(from: Sandbox, address: string | undefined): Promise<boolean> {
  const { code, stderr } = await from.exec(['ping', '-c1', '-W5', String(address)])
  // 1: no answer. Anything else is a mistake of the test, or no route at all.
  if (code === 0 || code === 1 || stderr.includes('unreachable')) return code === 0
  throw new Error(`ping ${address}: ${stderr}`)
}

export type Way = readonly [from: Sandbox, to: string | undefined, expected: boolean]

/** All are tried at once: that nothing comes back takes its time. */
export async function expectReached(...ways: readonly Way[]): Promise<void> {
  const tries = ways.map(async ([from, to, expected]) => {
    expect(await reaches(from, to), `${from.name} to ${to}`).toBe(expected)
  })
  await Promise.all(tries)
}

export function addressOf(box: Sandbox, family: 'ipv4' | 'ipv6' = 'ipv4', index = 0): string {
  const address = box.endpoints()[index]?.inspect()[family]
  if (address === undefined) throw new Error(`${box.name} has no ${family} address`)
  return address
}
