import { describe } from 'vitest'
import type { DriverCapabilities, NetworkDriver, RawOptions } from '../driver/driver.ts'
import { descriptionCases, nameCases, optionCases } from './driver-cases/description-cases.ts'
import {
  failureCases,
  joinCases,
  machineCases,
  reachCases,
  severalCases,
} from './driver-cases/machine-cases.ts'
import { publishingCases } from './driver-cases/publishing-cases.ts'
import {
  type DriverWorld,
  descriptionScenes,
  memoryWorld,
  type Scene,
  sceneCases,
  type Variant,
} from './driver-cases/scene.ts'
import { deepFreeze } from './kernel-cases/world.ts'

export type { DriverWorld } from './driver-cases/scene.ts'

/** What the machine under a driver may be unable to show. */
export type DriverWorldFeature = 'faults' | 'packets'

export interface DriverContractOptions {
  /** A new instance that knows nothing of earlier ones. */
  create(): NetworkDriver
  /** The options to be tried, besides none at all. None may name a link: every network needs its own. */
  readonly options?: readonly RawOptions[]
  /** The machine for each case; if absent, one in memory. */
  open?(): Promise<DriverWorld>
  /** Features that machine doesn't have, each with the reason. */
  readonly skips?: Readonly<Partial<Record<DriverWorldFeature, string>>>
}

/** What every driver must do, as tests. To be called at the top level of a vitest file. */
export function driverContract(name: string, options: DriverContractOptions): void {
  const { create, open = memoryWorld } = options
  const skips = options.skips ?? (options.open ? {} : { packets: 'there are no packets in memory' })
  const scene = async (): Promise<Scene> => {
    const world = await open()
    return { driver: create(), world, view: deepFreeze(await world.kernel.view()) }
  }
  const { capabilities, hostAddresses } = create()
  const variants = variantsOf(capabilities, [{}, ...(options.options ?? [])])
  const alone = capabilities.single ? 'there is only one network of this driver' : undefined
  const apart = alone ?? loneliness(capabilities)
  describe(`${name} keeps the driver contract`, () => {
    const test = sceneCases(scene)
    const described = descriptionScenes(scene, create)
    const describedApart = descriptionScenes(scene, create, alone)
    describe('options', () => optionCases(described, variants))
    describe.each(variants)('$title', (variant) => {
      descriptionCases(described, variant)
      nameCases(described, describedApart, variant)
      machineCases(test, variant, create)
      failureCases(sceneCases(scene, skips.faults), variant)
      severalCases(sceneCases(scene, alone), variant)
      joinCases(sceneCases(scene, apart), variant)
      if (hostAddresses) publishingCases(described, test, variant)
      reachCases(sceneCases(scene, apart ?? skips.packets), variant)
    })
  })
}

function loneliness({ exclusive, sandbox }: DriverCapabilities): string | undefined {
  if (exclusive) return 'an endpoint of this driver is the only one of its sandbox'
  return sandbox === 'host' ? 'its endpoints have the host’s own stack' : undefined
}

function variantsOf(
  { addresses }: DriverCapabilities,
  choices: readonly RawOptions[],
): readonly Variant[] {
  const families = addresses
    ? [
        { words: 'IPv4', ipv4: true, ipv6: false },
        { words: 'IPv4 and IPv6', ipv4: true, ipv6: true },
        { words: 'IPv6', ipv4: false, ipv6: true },
      ]
    : [{ words: 'no addresses', ipv4: false, ipv6: false }]
  return choices.flatMap((options) =>
    families.flatMap(({ words, ...family }) =>
      [false, true].map((internal) => ({
        title: `${internal ? 'internal, ' : ''}${words}, options ${JSON.stringify(options)}`,
        ...family,
        internal,
        options,
      })),
    ),
  )
}
