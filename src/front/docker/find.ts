import type { LocalController } from '../../model/controller.ts'
import type { KnownLocalNetwork } from '../../model/network/network.ts'
import type { KnownLocalSandbox } from '../../model/sandbox/sandbox.ts'
import { DockerError, invalid } from './json/docker-error.ts'

interface Named {
  readonly id: string
  readonly name: string
}

/** By full id, unique name, or the beginning of one id, in this order. */
export function findNetwork(controller: LocalController, text: string): KnownLocalNetwork {
  const found = find(controller.now.networks(), text, 'network')
  if (found === undefined) throw new DockerError(404, `network ${text} not found`)
  return found
}

/** A sandbox, which stands where Docker has a container. Docker shows names with `/` before them. */
export function findContainer(controller: LocalController, text: string): KnownLocalSandbox {
  if (text === '') throw invalid('invalid name or ID supplied: ""')
  const found = find(controller.now.sandboxes(), text.replace(/^\//, ''), 'container')
  if (found === undefined) throw new DockerError(404, `No such container: ${text}`)
  return found
}

function find<T extends Named>(all: readonly T[], text: string, what: string): T | undefined {
  const exact = all.find(({ id }) => id === text) ?? all.find(({ name }) => name === text)
  if (exact !== undefined) return exact
  const matches = all.filter(({ id }) => id.startsWith(text))
  if (matches.length > 1) {
    throw invalid(
      `${what} ${text} is ambiguous (${matches.length} matches found based on ID prefix)`,
    )
  }
  return matches[0]
}
