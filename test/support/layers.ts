import { importsOf, type SourceTree } from './source-tree.ts'

/**
 * Who may import whom inside src/. `CONTRIBUTING.md` tells the story; this is the table the test
 * enforces. An area is a part of the tree: `base`, the contract `driver`, its implementation
 * `driver/bridge`, or the preset `linux/library.ts`.
 */
interface Layer {
  readonly areas: RegExp
  /** Areas whose code it may use. Itself is always allowed. */
  readonly uses: RegExp
  /** Areas it may use as types only. */
  readonly types?: RegExp
  readonly why: string
}

const contracts = 'kernel|driver|ipam|store|keeper'
const foundation = 'address|base'

const layers: readonly Layer[] = [
  {
    areas: /^base$/,
    uses: /^$/,
    why: 'base is the bottom of the house',
  },
  {
    areas: /^address$/,
    uses: /^base$/,
    why: 'addresses are arithmetic that everything else stands on; they need errors and no more',
  },
  {
    areas: new RegExp(`^(${contracts})$`),
    uses: new RegExp(`^(${foundation})$`),
    types: new RegExp(`^(${contracts})$`),
    why: 'a contract says what is asked of its implementations; it knows none of them',
  },
  {
    areas: /^driver\/remote$/,
    uses: new RegExp(`^(${foundation}|${contracts}|firewall|plugin)$`),
    why: 'an implementation knows its contract and the foundation, never a sibling',
  },
  {
    areas: /^driver\/.+$/,
    uses: new RegExp(`^(${foundation}|${contracts}|firewall)$`),
    why: 'a driver describes resources; it knows its contract, the foundation and the firewall',
  },
  {
    areas: /^(kernel|ipam|store)\/remote$/,
    uses: new RegExp(`^(${foundation}|${contracts}|plugin)$`),
    why: 'an implementation knows its contract and the foundation, never a sibling',
  },
  {
    areas: /^((kernel|ipam|store)\/.+|firewall|dns|plugin)$/,
    uses: new RegExp(`^(${foundation}|${contracts})$`),
    why: 'an implementation knows its contract and the foundation, never a sibling',
  },
  {
    areas: /^model$/,
    uses: new RegExp(`^(${foundation}|${contracts}|dns|api)$`),
    why: 'the model decides through contracts; which implementation is used is the business of linux/',
  },
  {
    areas: /^api$/,
    uses: new RegExp(`^(${foundation})$`),
    why: 'the wire is shared by both ends, so it knows neither',
  },
  {
    areas: /^client$/,
    uses: new RegExp(`^(${foundation}|api)$`),
    why: 'a client speaks to the engine over the wire only',
  },
  {
    areas: /^cli$/,
    uses: new RegExp(`^(${foundation}|client|api|front/oci|index\\.ts|linux/.+\\.ts)$`),
    why: 'a command uses the client or the public library, as any user could',
  },
  {
    areas: /^daemon$/,
    uses: new RegExp(`^(${foundation}|api|model)$`),
    why: 'the daemon puts the model on the wire',
  },
  {
    areas: /^front$/,
    uses: new RegExp(`^(${foundation}|model|plugin|api)$`),
    why: 'a front speaks for another engine and asks the model',
  },
  {
    areas: /^front\/oci$/,
    uses: new RegExp(`^(${foundation}|api)$`),
    why: "what runtimes' files say is turned into options, purely; the command asks the daemon",
  },
  {
    areas: /^keeper\/.+$/,
    uses: new RegExp(`^(${foundation}|${contracts}|dns|kernel/linux)$`),
    why: 'the keeper outlives the engine, so it must not contain it',
  },
  {
    areas: /^testing$/,
    uses: new RegExp(`^(${foundation}|${contracts}|kernel/memory)$`),
    types: /^api$/,
    why: "contract suites are for other people's implementations too, so they know none but the memory kernel",
  },
  {
    areas: /^index\.ts$/,
    uses: new RegExp(`^(${foundation}|${contracts}|model|api)$`),
    why: 'the public face has no implementation, so that importing it loads no FFI',
  },
  {
    areas: /^linux\/.+\.ts$/,
    uses: /./,
    why: 'the composition roots',
  },
]

/** The folder, below which only its own files may import anything but its index.ts. */
const linuxFolder = 'src/kernel/linux/'
/** What others need of it that load nothing of netlink: sockets, waiting, descriptors; mounts. */
const lightDoors: readonly (readonly [areas: RegExp, file: string])[] = [
  [/^keeper\//, `${linuxFolder}service/index.ts`],
  [/^linux\/container\.ts$/, `${linuxFolder}container/index.ts`],
]

/** Where each package may be imported; a package that is not listed is for tests only. */
const packages: Readonly<Record<string, { readonly areas: RegExp; readonly why: string }>> = {
  koffi: { areas: /^kernel\/linux\/ffi$/, why: 'one folder holds all foreign calls' },
  lmdb: {
    areas: /^store\/local$/,
    why: 'only the local store reads what releases with LMDB have left, and in a child process',
  },
  fastify: {
    areas: /^(daemon|front)$/,
    why: 'only the daemon and the fronts speak HTTP as servers',
  },
  pino: { areas: /^linux\/daemon-log\.ts$/, why: 'one file chooses how the log is written' },
  'pino-pretty': {
    areas: /^linux\/daemon-log\.ts$/,
    why: 'one file chooses how the log is written',
  },
  'prom-client': { areas: /^daemon$/, why: 'only the daemon tells its figures' },
  commander: { areas: /^cli$/, why: 'only the command line parses arguments' },
  typebox: {
    areas: /^base$/,
    why: 'its code takes long to load: base/schema.ts has what is needed of it',
  },
  vitest: { areas: /^testing$/, why: 'contract suites and tests only' },
  'fast-check': { areas: /^testing$/, why: 'contract suites and tests only' },
}

const doors: readonly {
  readonly modules: RegExp
  readonly areas: RegExp
  readonly why: string
}[] = [
  {
    modules: /^node:child_process$/,
    areas: /^(kernel\/linux|store\/local|client|cli|front)(\/|$)/,
    why: 'programs are started by the kernel door, the local store (for lmdb), a client (a daemon), the command line and the fronts',
  },
  {
    modules: /^node:(fs|fs\/promises|net|dgram|http|http2|https|tls|worker_threads|os|cluster)$/,
    areas:
      /^(kernel\/linux|store\/local|store\/etcd|.+\/remote|plugin|keeper|daemon|client|cli|front|testing|linux\/.+\.ts)(\/|$)/,
    why: 'whatever asks or changes the machine goes through the door, so this part does no I/O',
  },
]

/** The area of a file below src/: its folder down to the implementation, and `ffi` by itself. */
function areaOf(path: string): string {
  const parts = path.split('/').slice(1)
  if (parts.length === 1) return parts[0]!
  // Each composition root is for one program.
  if (parts[0] === 'linux') return parts.join('/')
  if (parts[0] === 'front' && parts[1] === 'oci') return 'front/oci'
  if (!new RegExp(`^(${contracts})$`).test(parts[0]!)) return parts[0]!
  return parts.length === 2 ? parts[0]! : `${parts[0]}/${parts[1]}`
}

/** Tests beside the source. */
export const isTest = (path: string) => path.endsWith('.test.ts')

/** One sentence for each import that breaks a rule. Tests beside the source are free. */
export function layerViolations(tree: SourceTree): string[] {
  const violations: string[] = []
  for (const [path, text] of tree) {
    if (isTest(path)) continue
    const area = areaOf(path)
    const layer = layers.find((one) => one.areas.test(area))
    if (layer === undefined) {
      violations.push(`${path}: no rule for src/${area}; add it to test/support/layers.ts`)
      continue
    }
    for (const { specifier, file, typeOnly } of importsOf(path, text)) {
      const why =
        file === undefined
          ? outsideReason(path, area, specifier)
          : insideReason(path, area, layer, file, typeOnly)
      if (why !== undefined) violations.push(`${path} imports ${specifier}: ${why}`)
    }
  }
  return violations
}

function insideReason(
  path: string,
  area: string,
  layer: Layer,
  file: string,
  typeOnly: boolean,
): string | undefined {
  if (!file.startsWith('src/')) return 'the library stands on nothing outside src/'
  if (isTest(file)) return 'nothing that is shipped imports a test'
  const target = areaOf(file)
  if (target === area) return undefined
  const allowed = layer.uses.test(target) || (typeOnly && layer.types?.test(target) === true)
  if (!allowed) return layer.why
  const [, door = `${linuxFolder}index.ts`] = lightDoors.find(([areas]) => areas.test(area)) ?? []
  const below = file.startsWith(linuxFolder) && file !== door
  if (below && !path.startsWith(linuxFolder)) {
    return 'no file outside kernel/linux imports below its index.ts or the light door it has'
  }
  return undefined
}

function outsideReason(path: string, area: string, specifier: string): string | undefined {
  const place = path.startsWith(`${linuxFolder}ffi/`) ? 'kernel/linux/ffi' : area
  if (specifier.startsWith('node:')) {
    const door = doors.find((one) => one.modules.test(specifier) && !one.areas.test(place))
    return door?.why
  }
  const name = specifier.split('/')[0]!
  const rule = packages[name]
  if (rule === undefined) return `the package ${name} is not one the library may use`
  return rule.areas.test(place) ? undefined : rule.why
}
