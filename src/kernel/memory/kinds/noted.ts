import { resourceKey } from '../../resource.ts'
import type { Machine, Noted } from '../machine.ts'
import type { Verbs } from './verbs.ts'

/** It is remembered, and that is all. `line`: the command that would make it. */
export function noted<Kind extends Noted>(line: (resource: Kind) => string): Verbs<Kind> {
  return {
    put: putNoted,
    drop: dropNoted,
    found: foundNoted,
    lines: (resource) => [line(resource)],
  }
}

export function putNoted(machine: Machine, resource: Noted): void {
  machine.set(machine.noted, resourceKey(resource), resource)
}

export function dropNoted(machine: Machine, resource: Noted): void {
  machine.delete(machine.noted, resourceKey(resource))
}

export function foundNoted<Kind extends Noted>(machine: Machine, resource: Kind): Kind | undefined {
  return machine.noted.get(resourceKey(resource)) as Kind | undefined
}
