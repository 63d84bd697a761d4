import { expect, it } from 'vitest'
import { findCgroupRoot } from './cgroup.ts'

const unified = '29 23 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate'
const hybrid = [
  '31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755',
  '40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd',
  '41 31 0:38 / /sys/fs/cgroup/unified rw,relatime shared:3 master:1 - cgroup2 cgroup2 rw',
]
const bound = '50 23 0:26 /system.slice /mnt/a\\040slice rw - cgroup2 cgroup2 rw'

it.each([
  ['where it is the only one', [unified], '/sys/fs/cgroup'],
  ['beside version 1', hybrid, '/sys/fs/cgroup/unified'],
  ['not where only a part of it is', [bound, unified], '/sys/fs/cgroup'],
  ['a part, where that is all there is to see', [bound], '/mnt/a slice'],
  ['nowhere', hybrid.slice(0, 2), undefined],
  ['nowhere at all', [], undefined],
])('finds the root of the unified hierarchy %s', (_, lines, path) => {
  expect(findCgroupRoot(lines.map((line) => `${line}\n`).join(''))).toBe(path)
})
