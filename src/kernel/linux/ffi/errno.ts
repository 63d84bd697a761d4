import { constants } from 'node:os'

const names = new Map<number, string>()
for (const [name, value] of Object.entries(constants.errno)) names.set(value, name)

// Two names of one number: the usual one must win.
names.set(constants.errno.EAGAIN, 'EAGAIN')
names.set(constants.errno.EOPNOTSUPP, 'EOPNOTSUPP')

// Linux has these (asm-generic/errno.h), Node's table hasn't.
const linuxOnly: readonly (readonly [number, string])[] = [
  [15, 'ENOTBLK'],
  [44, 'ECHRNG'],
  [49, 'EUNATCH'],
  [52, 'EBADE'],
  [53, 'EBADR'],
  [54, 'EXFULL'],
  [64, 'ENONET'],
  [70, 'ECOMM'],
  [73, 'EDOTDOT'],
  [76, 'ENOTUNIQ'],
  [77, 'EBADFD'],
  [78, 'EREMCHG'],
  [85, 'ERESTART'],
  [86, 'ESTRPIPE'],
  [87, 'EUSERS'],
  [94, 'ESOCKTNOSUPPORT'],
  [96, 'EPFNOSUPPORT'],
  [108, 'ESHUTDOWN'],
  [109, 'ETOOMANYREFS'],
  [112, 'EHOSTDOWN'],
  [117, 'EUCLEAN'],
  [121, 'EREMOTEIO'],
  [123, 'ENOMEDIUM'],
  [126, 'ENOKEY'],
  [130, 'EOWNERDEAD'],
  [132, 'ERFKILL'],
  [524, 'ENOTSUPP'],
]
for (const [value, name] of linuxOnly) names.set(value, name)

/** `EEXIST` for 17; a number without a name stays one. */
export function errnoName(errno: number): string {
  return names.get(errno) ?? `errno ${errno}`
}
