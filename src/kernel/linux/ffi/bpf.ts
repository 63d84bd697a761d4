import koffi from 'koffi'
import { faultPoint } from './fault.ts'
import { check, declare, lastErrno } from './libc.ts'

// linux/bpf.h

export const BPF_PROG_TYPE_CGROUP_SOCK_ADDR = 18
export const BPF_CGROUP_INET4_BIND = 8
export const BPF_CGROUP_INET6_BIND = 9

const BPF_MAP_CREATE = 0
const BPF_MAP_LOOKUP_ELEM = 1
const BPF_MAP_UPDATE_ELEM = 2
const BPF_MAP_DELETE_ELEM = 3
const BPF_MAP_GET_NEXT_KEY = 4
const BPF_PROG_LOAD = 5
const BPF_LINK_CREATE = 28
const BPF_MAP_TYPE_HASH = 1
const BPF_F_NO_PREALLOC = 1

// x64 has a table of its own, the others that Node runs on share one.
const SYS_bpf = process.arch === 'x64' ? 321 : 280

const syscall = declare<
  (number: number, command: number, attributes: Uint8Array, size: number) => number
>('intptr_t syscall(intptr_t, intptr_t, void *, intptr_t)')

interface HashMapOptions {
  readonly name: string
  readonly keySize: number
  readonly valueSize: number
  readonly maxEntries: number
}

/** A hash map without elements; it takes memory for those it has. */
export function createHashMap({ name, keySize, valueSize, maxEntries }: HashMapOptions): number {
  const attributes = Buffer.alloc(44)
  attributes.writeUInt32LE(BPF_MAP_TYPE_HASH, 0)
  attributes.writeUInt32LE(keySize, 4)
  attributes.writeUInt32LE(valueSize, 8)
  attributes.writeUInt32LE(maxEntries, 12)
  attributes.writeUInt32LE(BPF_F_NO_PREALLOC, 16)
  attributes.write(name, 28, 15, 'latin1')
  faultPoint('BPF_MAP_CREATE', name)
  return check(bpf(BPF_MAP_CREATE, attributes), 'BPF_MAP_CREATE', name)
}

// `union bpf_attr` for elements: the map, two pointers and flags.
const element = Buffer.alloc(32)

/** Programs see the value before or this one, nothing in between. */
export function updateMap(map: number, key: Uint8Array, value: Uint8Array): void {
  faultPoint('BPF_MAP_UPDATE_ELEM')
  element.writeUInt32LE(map, 0)
  element.writeBigUInt64LE(koffi.address(key), 8)
  element.writeBigUInt64LE(koffi.address(value), 16)
  check(bpf(BPF_MAP_UPDATE_ELEM, element), 'BPF_MAP_UPDATE_ELEM')
}

/** One that isn't there is no error. */
export function deleteFromMap(map: number, key: Uint8Array): void {
  faultPoint('BPF_MAP_DELETE_ELEM')
  element.writeUInt32LE(map, 0)
  element.writeBigUInt64LE(koffi.address(key), 8)
  element.writeBigUInt64LE(0n, 16)
  const result = bpf(BPF_MAP_DELETE_ELEM, element)
  if (result < 0 && lastErrno() !== 'ENOENT') check(result, 'BPF_MAP_DELETE_ELEM')
}

/** All elements of a map that isn't changed meanwhile. */
export function readMap(
  map: number,
  { keySize, valueSize }: Pick<HashMapOptions, 'keySize' | 'valueSize'>,
): { readonly key: Buffer; readonly value: Buffer }[] {
  const elements: { readonly key: Buffer; readonly value: Buffer }[] = []
  element.writeUInt32LE(map, 0)
  for (let last: Buffer | undefined; ; ) {
    const key = Buffer.alloc(keySize)
    element.writeBigUInt64LE(last === undefined ? 0n : koffi.address(last), 8)
    element.writeBigUInt64LE(koffi.address(key), 16)
    const result = bpf(BPF_MAP_GET_NEXT_KEY, element)
    if (result < 0 && lastErrno() === 'ENOENT') return elements
    check(result, 'BPF_MAP_GET_NEXT_KEY')
    const value = Buffer.alloc(valueSize)
    element.writeBigUInt64LE(koffi.address(key), 8)
    element.writeBigUInt64LE(koffi.address(value), 16)
    check(bpf(BPF_MAP_LOOKUP_ELEM, element), 'BPF_MAP_LOOKUP_ELEM')
    elements.push({ key, value })
    last = key
  }
}

interface ProgramOptions {
  readonly name: string
  /** BPF_PROG_TYPE_… */
  readonly type: number
  /** BPF_CGROUP_… */
  readonly attachType: number
  readonly instructions: Uint8Array
  readonly license: string
}

/** A program the kernel has found fit to run; it runs when it is attached to something. */
export function loadProgram(program: ProgramOptions): number {
  const { name, type, attachType, instructions } = program
  const license = Buffer.from(`${program.license}\0`)
  const attributes = Buffer.alloc(72)
  attributes.writeUInt32LE(type, 0)
  attributes.writeUInt32LE(instructions.length / 8, 4)
  attributes.writeBigUInt64LE(koffi.address(instructions), 8)
  attributes.writeBigUInt64LE(koffi.address(license), 16)
  attributes.write(name, 48, 15, 'latin1')
  attributes.writeUInt32LE(attachType, 68)
  faultPoint('BPF_PROG_LOAD', name)
  return check(bpf(BPF_PROG_LOAD, attributes), 'BPF_PROG_LOAD', name)
}

/**
 * From now on the program runs for the processes of a cgroup and those below, beside what others have
 * attached, until the descriptor this answers with is closed or its process ends.
 */
export function attachToCgroup(program: number, cgroup: number, attachType: number): number {
  const attributes = Buffer.alloc(16)
  attributes.writeUInt32LE(program, 0)
  attributes.writeUInt32LE(cgroup, 4)
  attributes.writeUInt32LE(attachType, 8)
  faultPoint('BPF_LINK_CREATE')
  return check(bpf(BPF_LINK_CREATE, attributes), 'BPF_LINK_CREATE')
}

/** Descriptors it makes are close-on-exec, always. */
function bpf(command: number, attributes: Uint8Array): number {
  return syscall(SYS_bpf, command, attributes, attributes.length)
}
