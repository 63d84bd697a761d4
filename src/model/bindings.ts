import { type PortRange, portsOverlap } from '../address/port.ts'
import type { PortBinding, PublishedPort } from '../driver/driver.ts'
import { isExact } from './port-spec.ts'

/** What is left of bindings, and what isn't. */
export interface CutBindings {
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
    if (once) wanted[family] = without(asked, gone)
    cut.push(...gone.map((each) => partOf(binding, each)))
    if (gone.length === 0) kept.push(binding)
    else kept.push(...without([ports], gone).map((each) => partOf(binding, each)))
  }
  return { kept, cut }
}

function common(a: PortRange, b: PortRange): PortRange {
  return { from: Math.max(a.from, b.from), to: Math.min(a.to, b.to) }
}

function without(ranges: readonly PortRange[], gone: readonly PortRange[]): PortRange[] {
  return gone.reduce<PortRange[]>(
    (left, { from, to }) =>
      left.flatMap((range) =>
        [
          { from: range.from, to: Math.min(range.to, from - 1) },
          { from: Math.max(range.from, to + 1), to: range.to },
        ].filter((part) => part.from <= part.to),
      ),
    [...ranges],
  )
}

function isMeant(binding: PortBinding, selected: PublishedPort): boolean {
  if (binding.protocol !== selected.protocol) return false
  const { hostAddress, hostPorts } = selected
  if (hostAddress !== undefined && hostAddress !== binding.hostAddress) return false
  if (hostPorts === undefined || binding.hostPorts === undefined) return true
  if (isExact(selected)) {
    const shift = hostPorts.from - selected.ports.from
    return binding.hostPorts.from - binding.ports.from === shift
  }
  return hostPorts.from <= binding.hostPorts.from && binding.hostPorts.to <= hostPorts.to
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
  let unclaimed = before
  let parts: readonly PortBinding[] = kept.filter((binding) => !whole.has(binding))
  return wishes.flatMap((wish) => {
    const made = cutBindings(unclaimed, wish)
    unclaimed = made.kept
    if (made.cut.every((binding) => untouched.has(binding))) return [wish]
    const left = cutBindings(parts, wish)
    parts = left.kept
    return [...made.cut.filter((binding) => untouched.has(binding)), ...left.cut].map(wishFor)
  })
}

function wishFor({ protocol, ports, hostAddress, hostPorts }: PortBinding): PublishedPort {
  return { protocol, ports, hostAddress, ...(hostPorts ? { hostPorts } : {}) }
}
