import { createHash } from 'node:crypto'
import { bindProgram } from '../bpf/bind-program.ts'
import { BLOCK_BYTES, KEY_BYTES } from '../bpf/port-blocks.ts'
import {
  attachToCgroup,
  BPF_CGROUP_INET4_BIND,
  BPF_CGROUP_INET6_BIND,
  BPF_PROG_TYPE_CGROUP_SOCK_ADDR,
  createHashMap,
  loadProgram,
} from '../ffi/bpf.ts'
import { close, O_RDONLY, open } from '../ffi/file.ts'
import { cgroupRoot } from './cgroup.ts'

/** Elements of the map, of 2,048 ports at one address each. */
const MAX_BLOCKS = 8192

/** The map, and programs that look into it at every `bind`. */
export interface BindPrograms {
  readonly map: number
  /** Those that keep it all in effect. */
  readonly descriptors: readonly number[]
}

/** The first of the descriptors is the map's. */
export function asBindPrograms(descriptors: readonly number[]): BindPrograms | undefined {
  const [map] = descriptors
  return map === undefined || descriptors.length !== 3 ? undefined : { map, descriptors }
}

/** What tells those of one version and host from others. */
export function nameOfBindPrograms(cookie: bigint): string {
  const hash = createHash('sha256')
  for (const family of [4, 6] as const) hash.update(bindProgram({ family, map: 0, cookie }))
  return hash.update(`${KEY_BYTES} ${BLOCK_BYTES}`).digest('hex').slice(0, 16)
}

export function loadBindPrograms(cookie: bigint): BindPrograms {
  const descriptors: number[] = []
  const keep = (fd: number) => {
    descriptors.push(fd)
    return fd
  }
  const passing: number[] = []
  try {
    const cgroup = open(cgroupRoot(), O_RDONLY)
    passing.push(cgroup)
    const map = keep(
      createHashMap({
        name: 'cnm_ports',
        keySize: KEY_BYTES,
        valueSize: BLOCK_BYTES,
        maxEntries: MAX_BLOCKS,
      }),
    )
    for (const family of [4, 6] as const) {
      const attachType = family === 4 ? BPF_CGROUP_INET4_BIND : BPF_CGROUP_INET6_BIND
      const program = loadProgram({
        name: `cnm_bind${family}`,
        type: BPF_PROG_TYPE_CGROUP_SOCK_ADDR,
        attachType,
        instructions: bindProgram({ family, map, cookie }),
        // Only what can be had under the GPL, too, may read the kernel's own structures.
        license: 'Dual BSD/GPL',
      })
      passing.push(program)
      keep(attachToCgroup(program, cgroup, attachType))
    }
    return { map, descriptors }
  } catch (error) {
    for (const fd of descriptors) close(fd)
    throw error
  } finally {
    for (const fd of passing) close(fd)
  }
}
