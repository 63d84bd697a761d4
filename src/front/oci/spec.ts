import { posix } from 'node:path'
import { CnmError } from '../../base/errors.ts'
import { parser } from '../../base/parse.ts'
import { type Static, Type } from '../../base/schema.ts'
import { annotationsOf, isOurs, type OciOptions } from './annotations.ts'

const Hook = Type.Object({ path: Type.String(), args: Type.Optional(Type.Array(Type.String())) })
const Namespace = Type.Object({ type: Type.String(), path: Type.Optional(Type.String()) })

/** Of a config.json what matters here; there is more in it. */
const Spec = Type.Object({
  root: Type.Object({
    path: Type.String({ minLength: 1 }),
    readonly: Type.Optional(Type.Boolean()),
  }),
  hostname: Type.Optional(Type.String()),
  mounts: Type.Optional(Type.Array(Type.Object({ destination: Type.String() }))),
  annotations: Type.Optional(Type.Record(Type.String(), Type.String())),
  hooks: Type.Optional(Type.Record(Type.String(), Type.Array(Hook))),
  linux: Type.Object({ namespaces: Type.Optional(Type.Array(Namespace)) }),
})

export type OciSpec = Static<typeof Spec>

/** How this program is called by a runtime. */
export type OciHook = Static<typeof Hook> & { readonly timeout?: number }

/** Errors: INVALID_ARGUMENT. */
export const parseSpec: (value: unknown) => OciSpec = parser(Spec, 'config.json')

/** A folder of the bundle, unless it is said as a whole. */
export function rootOf({ root }: OciSpec, bundle: string): string {
  return root.path.startsWith('/') ? root.path : `${bundle}/${root.path}`
}

/** Whether the container has something of its own there, put by the maker of the bundle. */
export function isMounted({ mounts = [] }: OciSpec, target: string): boolean {
  return mounts.some(({ destination }) => posix.resolve('/', destination) === target)
}

/** Undefined: one of its own, made with it. Errors: INVALID_ARGUMENT: it uses the host's. */
function namespacePath(spec: OciSpec): string | undefined {
  const network = namespaces(spec).find(({ type }) => type === 'network')
  if (network !== undefined) return network.path || undefined
  throw new CnmError('INVALID_ARGUMENT', "the container uses the host's own network", {
    hint: 'add { "type": "network" } to linux.namespaces in config.json',
  })
}

/** A foreign one can't be attached as the container's own. Errors: INVALID_ARGUMENT. */
export function refuseNamespace(spec: OciSpec): void {
  const path = namespacePath(spec)
  if (path === undefined) return
  throw new CnmError('INVALID_ARGUMENT', `the container uses the network namespace ${path}`, {
    details: { path },
    hint: `take the path out of config.json, or make it a sandbox ("cnm sandbox create --netns ${path} NAME") and give --sandbox NAME`,
  })
}

/**
 * What is mounted in a mount namespace that isn't the container's own stays when it has ended. Errors:
 * INVALID_ARGUMENT.
 */
export function refuseMounts(spec: OciSpec): void {
  const mounts = namespaces(spec).find(({ type }) => type === 'mount')
  if (mounts !== undefined && !mounts.path) return
  throw new CnmError(
    'INVALID_ARGUMENT',
    'the container has no mounts of its own to show files by',
    {
      hint: 'have { "type": "mount" } without a path in linux.namespaces in config.json, or leave it its own files: cnm.mount-etc: "false"',
    },
  )
}

interface Attaching {
  readonly options: OciOptions
  readonly hook: OciHook
  /** Of the sandbox that is named. */
  readonly namespace?: string
}

/**
 * The spec of a container that is attached by hooks, as annotations say. What was there from an earlier time is
 * replaced; all else stays. Errors: INVALID_ARGUMENT.
 */
export function attachedSpec(given: OciSpec, { options, hook, namespace }: Attaching): OciSpec {
  const spec = withoutOurs(given)
  if (namespacePath(spec) !== namespace) refuseNamespace(spec)
  if (options.mountEtc !== false) refuseMounts(spec)
  const { hooks = {}, annotations = {} } = spec
  const { createRuntime = [], poststop = [] } = hooks
  const ofSandbox = namespace === undefined ? spec : withNamespace(spec, namespace)
  return {
    ...given,
    ...withHostname(ofSandbox, options.hostname),
    annotations: { ...annotations, ...annotationsOf(options) },
    hooks: {
      ...hooks,
      createRuntime: [...createRuntime, hook],
      // A sandbox that is named was there before, and stays.
      ...(namespace === undefined ? { poststop: [...poststop, hook] } : {}),
    },
  }
}

/** As it was before it was attached, but for a hostname. */
function withoutOurs({ annotations, hooks, ...spec }: OciSpec): OciSpec {
  const named = annotations?.['cnm.sandbox'] !== undefined
  return {
    ...(named ? withNamespace(spec, undefined) : spec),
    ...kept('annotations', annotations, ([key]) => !isOurs(key)),
    ...kept('hooks', hooks && withoutHook(hooks), ([, all]) => all.length > 0),
  } as OciSpec
}

function withoutHook(hooks: NonNullable<OciSpec['hooks']>): NonNullable<OciSpec['hooks']> {
  const entries = Object.entries(hooks).map(([stage, all]) => {
    return [stage, all.filter(({ args = [] }) => !(args[0] === 'cnm' && args.includes('oci-hook')))]
  })
  return Object.fromEntries(entries)
}

/** Nothing that is empty. */
function kept<Each>(
  name: string,
  all: Readonly<Record<string, Each>> | undefined,
  keep: (entry: [string, Each]) => boolean,
): object {
  const left = Object.entries(all ?? {}).filter(keep)
  return left.length === 0 ? {} : { [name]: Object.fromEntries(left) }
}

function withNamespace(spec: OciSpec, path: string | undefined): OciSpec {
  const changed = namespaces(spec).map((each) => {
    if (each.type !== 'network') return each
    const { path: _, ...rest } = each
    return path === undefined ? rest : { ...rest, path }
  })
  return { ...spec, linux: { ...spec.linux, namespaces: changed } }
}

/** Without a UTS namespace of its own it can have none. */
function withHostname(spec: OciSpec, hostname: string | undefined): OciSpec {
  const own = namespaces(spec).some(({ type, path }) => type === 'uts' && !path)
  return own && hostname !== undefined ? { ...spec, hostname } : spec
}

function namespaces({ linux }: OciSpec): NonNullable<OciSpec['linux']['namespaces']> {
  return linux.namespaces ?? []
}
