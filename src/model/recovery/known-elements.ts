import { type ElementResource, elementAt, type Resource } from '../../kernel/resource.ts'

/** Elements that have an owner, whichever runs they were added in. */
export class KnownElements {
  readonly #singles = new Set<string>()
  /** Ports, by all of the elements' names but those. */
  readonly #ports = new Map<string, Set<number>>()

  constructor(resources: readonly Resource[]) {
    for (const resource of resources) if (resource.kind === 'element') this.#add(resource)
  }

  /** Those of an element or a run that have no owner; runs again where they follow one another. */
  unknownOf(element: ElementResource): ElementResource[] {
    const [stem, first] = nameOf(element)
    if (first === undefined) return this.#singles.has(stem) ? [] : [element]
    const known = this.#ports.get(stem)
    if (known === undefined) return [element]
    const { run = 1 } = element
    const unknown: ElementResource[] = []
    let from = 0
    for (let index = 0; index <= run; index++) {
      if (index < run && !known.has(first + index)) continue
      if (index > from) unknown.push(partOf(element, from, index - from))
      from = index + 1
    }
    return unknown
  }

  #add(element: ElementResource): void {
    const [stem, first] = nameOf(element)
    if (first === undefined) {
      this.#singles.add(stem)
      return
    }
    const ports = this.#ports.get(stem) ?? new Set()
    this.#ports.set(stem, ports)
    for (let index = 0; index < (element.run ?? 1); index++) ports.add(first + index)
  }
}

/** Of an element whose key ends with a number, the rest and that number. */
function nameOf({ family, table, set, key }: ElementResource): [stem: string, port?: number] {
  const last = key.at(-1) ?? ''
  const name = (parts: readonly string[]) => [family, table, set, ...parts].join(' ')
  return /^\d+$/.test(last) ? [name(key.slice(0, -1)), Number(last)] : [name(key)]
}

function partOf(element: ElementResource, from: number, count: number): ElementResource {
  if (count === (element.run ?? 1)) return element
  const first = elementAt(element, from)
  return count === 1 ? first : { ...first, run: count }
}
