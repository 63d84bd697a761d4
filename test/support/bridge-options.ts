import type { Prefix } from '../../src/address/address.ts'
import { isCnmError } from '../../src/base/errors.ts'
import { parseBridgeOptions } from '../../src/driver/bridge/options.ts'
import type { RawOptions } from '../../src/driver/driver.ts'
import { memoryKernel } from '../../src/kernel/memory/index.ts'

/** An option of a bridge network, as users find it. */
export interface BridgeOption {
  readonly name: string
  /** Docker's, without `com.docker.network.` */
  readonly label: string
  /** What it says when it is given nonsense. */
  readonly takes: string
  /** Absent: it depends on the host or the network, or there is none. */
  readonly default: string | undefined
}

/** What the driver says of its options when it is asked as a user would ask: by its refusals. */
export async function bridgeOptions(): Promise<BridgeOption[]> {
  const parse = await parserAt(1500)
  const known = refusal(parse, { '?': 1 }).hint.replace('known are ', '')
  const names = known.split(', ')
  const labels = names.filter((name) => name.startsWith('com.docker.network.'))
  const meanings = labels.map(
    (label) => [optionIn(refusal(parse, { [label]: ' ' })), label] as const,
  )
  const [here, there] = [parse({}), (await parserAt(1400))({})]
  return names
    .filter((name) => !labels.includes(name))
    .map((name) => {
      const isFixed = here[name] !== undefined && here[name] === there[name]
      return {
        name,
        label: meanings
          .flatMap(([option, label]) => (option === name ? [label] : []))
          .map((label) => label.replace('com.docker.network.', ''))
          .join(', '),
        takes: takes(refusal(parse, { [name]: ' ' }).hint),
        default: isFixed ? String(here[name]) : undefined,
      }
    })
}

type Parser = (options: RawOptions) => RawOptions

/** On a host whose way out has that MTU. */
async function parserAt(mtu: number): Promise<Parser> {
  const kernel = memoryKernel()
  kernel.addLink({ name: 'eth0', type: 'device' })
  const { links, ...rest } = await kernel.view()
  const routes = [{ destination: '0.0.0.0/0' as Prefix, link: 'eth0' }]
  const view = { ...rest, routes, links: links.map((link) => ({ ...link, mtu })) }
  const plan = { name: 'x', internal: false, ipv4: true, ipv6: false, auxAddresses: {} }
  return (options) => parseBridgeOptions(options, plan, view).options
}

function refusal(parse: Parser, options: RawOptions): { message: string; hint: string } {
  try {
    parse(options)
  } catch (error) {
    if (isCnmError(error, 'INVALID_OPTION')) {
      return { message: error.message, hint: error.hint ?? '' }
    }
    throw error
  }
  throw new Error(`${JSON.stringify(options)} is taken, so it can't be told what it takes`)
}

function optionIn({ message }: { message: string }): string {
  return /option "(\w+)"/.exec(message)?.[1] ?? message
}

/** The hint, in a few words. */
function takes(hint: string): string {
  const most = /^give 1 to (\d+) ASCII characters/.exec(hint)?.[1]
  return most === undefined ? hint.replace('give ', '') : `a name of ${most} characters at most`
}
