import { faultPoint } from './fault.ts'
import { check, declare } from './libc.ts'

export const MS_NOSUID = 0x2
export const MS_NODEV = 0x4
export const MS_NOEXEC = 0x8
export const MS_REMOUNT = 0x20
export const MS_BIND = 0x1000
export const MS_REC = 0x4000
export const MS_SLAVE = 0x80000
export const MNT_DETACH = 2

const c = {
  mount: declare<
    (
      source: string,
      target: string,
      type: string | null,
      flags: number,
      data: string | null,
    ) => number
  >('int mount(const char *, const char *, const char *, unsigned long, const char *)'),
  umount2: declare<(target: string, flags: number) => number>('int umount2(const char *, int)'),
}

/** `type` is null for bind mounts and changes of propagation. */
export function mount(
  source: string,
  target: string,
  type: string | null,
  flags: number,
  data: string | null = null,
): void {
  faultPoint('mount', target)
  check(c.mount(source, target, type, flags, data), 'mount', target)
}

export function umount2(target: string, flags: number): void {
  faultPoint('umount2', target)
  check(c.umount2(target, flags), 'umount2', target)
}
