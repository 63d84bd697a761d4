import type { ElementResource, TableResource } from '#dist/kernel/resource.js'

/** A table of ours with one set, `inet mine`. */
export const table: TableResource = {
  kind: 'table',
  definition: {
    family: 'inet',
    name: 'mine',
    owned: true,
    sets: [{ name: 'links', key: ['ifname'] }],
    chains: [],
  },
}

/** `eth0` in that set. */
export const element: ElementResource = {
  kind: 'element',
  family: 'inet',
  table: 'mine',
  set: 'links',
  key: ['eth0'],
  owner: 'somebody',
}
