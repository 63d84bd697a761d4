import type { RateResource, Resource } from '#dist/kernel/resource.js'
import { add, type KernelRig, network, port } from './kernel-rig.ts'

/** A link with a rate, and the one that belongs to it. */
export const shaped = 'veth0123456789'
export const ifb = 'ifb0123456789'

export interface Qdisc {
  readonly kind: string
  readonly handle: string
  readonly dev: string
  readonly bytes: number
  readonly backlog: number
  readonly options: { readonly rate?: number }
}

/** Two sandboxes on a bridge; the first is at `shaped`. */
export async function twoBoxes(rig: KernelRig): Promise<Resource> {
  const [near, far] = [rig.box('near'), rig.box('far')]
  const [veth, ...rest] = port({ namespace: near, name: shaped, bridge: 'br-a', n: 7, number: 2 })
  await add(
    rig.kernel,
    ...network('br-a', 7),
    { kind: 'namespace', namespace: near },
    { kind: 'namespace', namespace: far },
    veth!,
    ...rest,
    ...port({ namespace: far, name: 'v-far', bridge: 'br-a', n: 7, number: 3 }),
  )
  return veth!
}

export function rate(limits: Pick<RateResource, 'toSandbox' | 'fromSandbox'>): RateResource {
  return { kind: 'rate', link: shaped, ...limits }
}

/** What others than the kernel itself have made. */
export async function qdiscs({ host, kernel }: KernelRig): Promise<Qdisc[]> {
  await kernel.settled()
  const all = JSON.parse(await host.sh('tc -j -s qdisc')) as Qdisc[]
  return all.filter(({ handle }) => handle !== '0:')
}

export const ping = ({ host }: KernelRig, address = '10.7.0.3') =>
  host.inside(`${host.folder}/netns/near`, ['ping', '-c1', '-i0.2', '-w3', address])

/** From the limited sandbox to the other. */
export const way = (rig: KernelRig) => ({
  from: rig.box('near').path,
  to: rig.box('far').path,
  address: '10.7.0.3',
})
