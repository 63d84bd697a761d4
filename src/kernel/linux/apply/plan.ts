import type { Change } from '../../kernel.ts'
import { type NamespaceRef, type Resource, resourceKey } from '../../resource.ts'

export type KindName = Resource['kind']
export type ResourceOf<K extends KindName> = Extract<Resource, { readonly kind: K }>

/** What is known of a change before anything of it is done. */
export interface Plan {
  readonly remove: ResourcesByKind
  readonly add: ResourcesByKind
  /** For keys in both lists: what was there before. */
  readonly before: ReadonlyMap<string, Resource>
  /** Paths of the namespaces that are removed, with all that is in them. */
  readonly retired: ReadonlySet<string>
  /** Keys of the links that don't exist yet. */
  readonly unborn: ReadonlySet<string>
}

/** A link by its name, and where it is; without a namespace: on the host. */
export interface LinkAt {
  readonly namespace?: NamespaceRef | undefined
  readonly name: string
}

/** What a plan has to know of each kind. */
export interface KindFacts {
  /** Whether one that is in both lists goes and comes again, in place of being changed where it is. */
  isMadeAnew(from: Resource, to: Resource): boolean
  /** Links that come into being with it. */
  links(resource: Resource): readonly LinkAt[]
}

/** Those of one kind, in the order in which they were given. */
export class ResourcesByKind {
  readonly #lists = new Map<KindName, Resource[]>()

  constructor(resources: readonly Resource[]) {
    for (const resource of resources) {
      const list = this.#lists.get(resource.kind)
      if (list === undefined) this.#lists.set(resource.kind, [resource])
      else list.push(resource)
    }
  }

  of<K extends KindName>(kind: K): readonly ResourceOf<K>[] {
    return (this.#lists.get(kind) ?? []) as readonly Resource[] as readonly ResourceOf<K>[]
  }
}

/** Without `facts`, everything in both lists is changed where it is, and brings no links. */
export function planOf({ remove, add }: Change, facts?: KindFacts): Plan {
  const wanted = new Map(add.map((resource) => [resourceKey(resource), resource]))
  const before = new Map<string, Resource>()
  const gone: Resource[] = []
  for (const resource of remove) {
    const key = resourceKey(resource)
    const now = wanted.get(key)
    if (now !== undefined) before.set(key, resource)
    if (now === undefined || facts?.isMadeAnew(resource, now)) gone.push(resource)
  }
  const removed = new ResourcesByKind(gone)
  const links = facts === undefined ? [] : add.flatMap((resource) => facts.links(resource))
  return {
    remove: removed,
    add: new ResourcesByKind(add),
    before,
    retired: new Set(removed.of('namespace').map(({ namespace }) => namespace.path)),
    unborn: new Set(links.map(({ namespace, name }) => linkKey(namespace, name))),
  }
}

/** A link's name together with where it is. */
export function linkKey(namespace: NamespaceRef | undefined, link: string): string {
  return `${namespace?.path ?? ''}:${link}`
}

/** What there is for each namespace, in the order in which they first come up. */
export function byNamespace<R extends { readonly namespace?: NamespaceRef }>(
  resources: readonly R[],
): Map<string, R[]> {
  const handles = new Map<string, R[]>()
  for (const resource of resources) {
    const path = resource.namespace?.path ?? ''
    const list = handles.get(path)
    if (list === undefined) handles.set(path, [resource])
    else list.push(resource)
  }
  return handles
}
