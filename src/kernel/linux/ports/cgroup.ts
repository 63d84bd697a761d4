import { readFileSync } from 'node:fs'
import { KernelError } from '../../../base/errors.ts'

/**
 * Where the unified hierarchy of cgroups is mounted, as far up as this process can see. Beside version 1
 * that is somewhere below /sys/fs/cgroup. ENOENT if it isn't.
 */
export function cgroupRoot(): string {
  const path = findCgroupRoot(readFileSync('/proc/self/mountinfo', 'utf8'))
  if (path !== undefined) return path
  throw new KernelError('mountinfo', 'ENOENT', { message: 'cgroup version 2 is not mounted' })
}

/** Lines are `ID PARENT DEVICE ROOT POINT OPTIONS … - TYPE SOURCE OPTIONS`; the root's root is `/`. */
export function findCgroupRoot(mountinfo: string): string | undefined {
  const mounts = mountinfo.split('\n').map((line) => line.split(' '))
  const unified = mounts.filter((words) => words[words.indexOf('-') + 1] === 'cgroup2')
  const mount = unified.find(([, , , root]) => root === '/') ?? unified[0]
  return mount?.[4]?.replace(/\\([0-7]{3})/g, (_, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  )
}
