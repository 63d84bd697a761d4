import { familyOf } from '../../address/address.ts'
import { type PortRange, portsOverlap, portsWithout } from '../../address/port.ts'
import type { PortBinding, PublishedPort } from '../../driver/driver.ts'
import { isExact, portText } from './port-spec.ts'

/** What is left of bindings, and what isn't. */
interface CutBindings {
  readonly kept: readonly PortBinding[]
  readonly cut: readonly PortBinding[]
}

/**
 * Takes what is selected out of the bindings; ranges split. Where no port of the host is used nothing tells
 * two wishes for the same port apart, so with the host ports of one wish only one of them goes.
 */
export function cutBindings(
  bindings: readonly PortBinding[],
  selected: PublishedPort,
): CutBindings {
  const kept: PortBinding[] = []
  const cut: PortBinding[] = []
  const wanted = { 4: [selected.ports], 6: [selected.ports] }
  for (const binding of bindings) {
    const { family, ports, hostPorts } = binding
    const once = hostPorts === undefined && selected.hostPorts !== undefined
    const asked = once ? wanted[family] : [selected.ports]
    const gone = isMeant(binding, selected)
      ? asked.flatMap((each) => (portsOverlap(each, ports) ? [common(each, ports)] : []))
      : []
    if (once) wanted[family] = portsWithout(asked, gone)
    cut.push(...gone.map((each) => partOf(binding, each)))
    if (gone.length === 0) kept.push(binding)
    else kept.push(...portsWithout([ports], gone).map((each) => partOf(binding, each)))
  }
  return { kept, cut }
}

function common(a: PortRange, b: PortRange): PortRange {
  return { from: Math.max(a.from, b.from), to: Math.min(a.to, b.to) }
}

function isMeant(binding: PortBinding, selected: PublishedPort): boolean {
  if (binding.protocol !== selected.protocol || !isAt(binding, selected)) return false
  const { hostPorts } = selected
  if (hostPorts === undefined || binding.hostPorts === undefined) return true
  if (isExact(selected)) {
    const shift = hostPorts.from - selected.ports.from
    return binding.hostPorts.from - binding.ports.from === shift
  }
  return hostPorts.from <= binding.hostPorts.from && binding.hostPorts.to <= hostPorts.to
}

/** Where no port of the host is used, its address says no more than the family. */
function isAt(
  { family, hostAddress, hostPorts }: PortBinding,
  { hostAddress: wanted }: PublishedPort,
): boolean {
  if (wanted === undefined) return true
  return hostPorts === undefined ? familyOf(wanted) === family : wanted === hostAddress
}

function partOf(binding: PortBinding, { from, to }: PortRange): PortBinding {
  const { ports, hostPorts } = binding
  if (from === ports.from && to === ports.to) return binding
  const part = { ...binding, ports: { from, to } }
  if (hostPorts === undefined) return part
  const shift = hostPorts.from - ports.from
  return { ...part, hostPorts: { from: from + shift, to: to + shift } }
}

/** What is wanted when that is what is left: a wish of which something is gone is what is left of it. */
export function remainingWishes(
  wishes: readonly PublishedPort[],
  before: readonly PortBinding[],
  kept: readonly PortBinding[],
): readonly PublishedPort[] {
  const whole = new Set(before)
  const untouched = new Set(kept)
  const parts = new Set(kept.filter((binding) => !whole.has(binding)))
  const made = madeFor(wishes, before)
  return wishes.flatMap((wish) => {
    const bindings = made.get(wish) ?? []
    if (bindings.every((binding) => untouched.has(binding))) return [wish]
    return bindings
      .flatMap((each) => (untouched.has(each) ? [each] : takeParts(parts, each)))
      .map(wishFor)
  })
}

/**
 * What each wish became: one binding in each of its families, with the ports of the wish. Who left less
 * to be chosen comes first, or a wish for any host port would claim what was made for a certain one.
 */
function madeFor(
  wishes: readonly PublishedPort[],
  bindings: readonly PortBinding[],
): ReadonlyMap<PublishedPort, readonly PortBinding[]> {
  const unclaimed = new Map<string, Set<PortBinding>>()
  for (const binding of bindings) {
    const key = portText(binding)
    const alike = unclaimed.get(key) ?? new Set()
    unclaimed.set(key, alike.add(binding))
  }
  const made = new Map<PublishedPort, PortBinding[]>()
  for (const wish of [...wishes].sort((a, b) => choice(a) - choice(b))) {
    const alike = unclaimed.get(portText(wish)) ?? new Set()
    const claimed: PortBinding[] = []
    for (const binding of alike) {
      if (isMeant(binding, wish) && claimed.every((other) => isBeside(other, binding))) {
        claimed.push(binding)
      }
      if (claimed.length === 2) break
    }
    for (const binding of claimed) alike.delete(binding)
    made.set(wish, claimed)
  }
  return made
}

function choice(wish: PublishedPort): number {
  const ports = wish.hostPorts === undefined ? 4 : isExact(wish) ? 0 : 2
  return ports + (wish.hostAddress === undefined ? 1 : 0)
}

/** Whether two bindings can be of one wish: of two families, at the same host port if both have one. */
function isBeside(a: PortBinding, b: PortBinding): boolean {
  if (a.family === b.family) return false
  return !a.hostPorts || !b.hostPorts || a.hostPorts.from === b.hostPorts.from
}

function takeParts(parts: Set<PortBinding>, whole: PortBinding): PortBinding[] {
  const { protocol, hostAddress, ports, hostPorts } = whole
  const taken = [...parts].filter(
    (part) =>
      part.protocol === protocol &&
      part.hostAddress === hostAddress &&
      ports.from <= part.ports.from &&
      part.ports.to <= ports.to &&
      part.ports.from - ports.from ===
        (part.hostPorts?.from ?? part.ports.from) - (hostPorts?.from ?? ports.from),
  )
  for (const part of taken) parts.delete(part)
  return taken
}

function wishFor({ protocol, ports, hostAddress, hostPorts }: PortBinding): PublishedPort {
  return { protocol, ports, hostAddress, ...(hostPorts ? { hostPorts } : {}) }
}
