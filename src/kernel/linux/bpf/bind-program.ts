import {
  assemble,
  call,
  compute,
  constant,
  exit,
  jump,
  jumpIf,
  load,
  mapReference,
  r,
  type Step,
  store,
  swapToNetwork,
} from './assembler.ts'
import { AT_ADDRESS, AT_SOME, BLOCK_BYTES, BLOCK_PORTS, KEY_BYTES } from './port-blocks.ts'

// `struct bpf_sock_addr`
const USER_IP4 = 4
const USER_IP6 = 8
const USER_PORT = 24
const PROTOCOL = 36
const SK = 64

// The beginning of the kernel's `struct sock_common`, unchanged since Linux 3.14: the byte that has
// `skc_ipv6only` as its sixth bit.
const SKC_FLAGS = 19
const SKC_IPV6ONLY = 1 << 5
const SKC_SIZE = 20

const BPF_FUNC_map_lookup_elem = 1
const BPF_FUNC_probe_read_kernel = 113
const BPF_FUNC_get_netns_cookie = 122
const BPF_FUNC_set_retval = 187
const EADDRINUSE = 98

// The stack: a key of the map, and what is read of the socket.
const KEY = -KEY_BYTES
const KEY_BLOCK = KEY + 4
const KEY_ADDRESS = KEY + 8
const SOCKET = KEY - 24

interface BindProgramOptions {
  readonly family: 4 | 6
  /** The map of blocks (port-blocks.ts). */
  readonly map: number
  /** Of the network namespace whose sockets it is about (SO_NETNS_COOKIE). */
  readonly cookie: bigint
}

/**
 * Runs at every `bind` of the processes of a cgroup, and refuses with EADDRINUSE what is reserved. What
 * binds all addresses is refused where one of them is reserved, and an IPv6 socket that isn't for IPv6
 * only binds those of IPv4, too. In words of C:
 *
 *     if (port == 0 || bpf_get_netns_cookie(ctx) != cookie) return 1;
 *     if (reserved(family, AT_ADDRESS, 0)) refuse;
 *     if (address != 0) { if (reserved(family, AT_ADDRESS, address)) refuse; return 1; }
 *     if (reserved(family, AT_SOME, 0)) refuse;
 *     if (family == 6 && !v6only) { if (reserved(4, AT_ADDRESS, 0) || reserved(4, AT_SOME, 0)) refuse; }
 *     return 1;
 *
 * In registers from 6 to 9: the context, the protocol, and the byte and the bit of the port in a block.
 */
export function bindProgram({ family, map, cookie }: BindProgramOptions): Buffer {
  return assemble([
    ...onlyInNamespace(cookie),
    ...prepareKey(),
    ...(family === 4 ? judgeIpv4(map) : judgeIpv6(map)),
    { label: 'allow' },
    compute('set', 0, 1),
    exit(),
    { label: 'refuse' },
    compute('set', 1, -EADDRINUSE),
    call(BPF_FUNC_set_retval),
    compute('set', 0, 0),
    exit(),
  ])
}

function onlyInNamespace(cookie: bigint): Step[] {
  return [
    compute('set', 6, r(1)),
    load('u32', 7, 6, USER_PORT),
    swapToNetwork(7, 16),
    jumpIf(7, 'equal', 0, 'allow'),
    call(BPF_FUNC_get_netns_cookie),
    constant(1, cookie),
    jumpIf(0, 'unequal', r(1), 'allow'),
  ]
}

/** From the port in register 7. The address is all of them for now. */
function prepareKey(): Step[] {
  return [
    compute('set', 1, r(7)),
    compute('shiftRight', 1, Math.log2(BLOCK_PORTS)),
    store('u32', 10, KEY_BLOCK, r(1)),
    compute('set', 8, r(7)),
    compute('shiftRight', 8, 3),
    compute('and', 8, BLOCK_BYTES - 1),
    compute('set', 1, r(7)),
    compute('and', 1, 7),
    compute('set', 9, 1),
    compute('shiftLeft', 9, r(1)),
    load('u32', 7, 6, PROTOCOL),
    store('u64', 10, KEY_ADDRESS, 0),
    store('u64', 10, KEY_ADDRESS + 8, 0),
  ]
}

function judgeIpv4(map: number): Step[] {
  return [
    ...refuseReserved(map, 4, AT_ADDRESS, 'every'),
    load('u32', 1, 6, USER_IP4),
    jumpIf(1, 'equal', 0, 'all'),
    store('u32', 10, KEY_ADDRESS, r(1)),
    ...refuseReserved(map, 4, AT_ADDRESS, 'one'),
    jump('allow'),
    { label: 'all' },
    ...refuseReserved(map, 4, AT_SOME, 'some'),
  ]
}

function judgeIpv6(map: number): Step[] {
  return [
    ...jumpIfMapped('mapped'),
    ...refuseReserved(map, 6, AT_ADDRESS, 'every'),
    compute('set', 2, 0),
    ...[0, 4, 8, 12].flatMap((at) => [
      load('u32', 1, 6, USER_IP6 + at),
      store('u32', 10, KEY_ADDRESS + at, r(1)),
      compute('or', 2, r(1)),
    ]),
    jumpIf(2, 'equal', 0, 'all'),
    ...refuseReserved(map, 6, AT_ADDRESS, 'one'),
    jump('allow'),

    { label: 'all' },
    ...refuseReserved(map, 6, AT_SOME, 'some'),
    ...jumpIfIpv6Only('allow'),
    ...refuseReserved(map, 4, AT_ADDRESS, 'every4'),
    jump('all4'),

    { label: 'mapped' },
    ...refuseReserved(map, 4, AT_ADDRESS, 'everyMapped'),
    load('u32', 1, 6, USER_IP6 + 12),
    jumpIf(1, 'equal', 0, 'all4'),
    store('u32', 10, KEY_ADDRESS, r(1)),
    ...refuseReserved(map, 4, AT_ADDRESS, 'oneMapped'),
    jump('allow'),

    { label: 'all4' },
    ...refuseReserved(map, 4, AT_SOME, 'some4'),
  ]
}

/** `::ffff:a.b.c.d` is an address of IPv4. */
function jumpIfMapped(label: string): Step[] {
  return [
    load('u32', 1, 6, USER_IP6),
    load('u32', 2, 6, USER_IP6 + 4),
    compute('or', 1, r(2)),
    jumpIf(1, 'unequal', 0, 'plain'),
    load('u32', 1, 6, USER_IP6 + 8),
    swapToNetwork(1, 32),
    jumpIf(1, 'equal', 0xffff, label),
    { label: 'plain' },
  ]
}

/** There is no better way to ask for that: `struct bpf_sock` doesn't have it, nor bpf_getsockopt. */
function jumpIfIpv6Only(label: string): Step[] {
  return [
    compute('set', 1, r(10)),
    compute('add', 1, SOCKET),
    compute('set', 2, SKC_SIZE),
    load('u64', 3, 6, SK),
    call(BPF_FUNC_probe_read_kernel),
    load('u8', 1, 10, SOCKET + SKC_FLAGS),
    compute('and', 1, SKC_IPV6ONLY),
    jumpIf(1, 'unequal', 0, label),
  ]
}

/** With the address that is in the key by now. */
function refuseReserved(map: number, family: 4 | 6, scope: number, name: string): Step[] {
  const behind = `not-${name}`
  return [
    compute('set', 1, r(7)),
    compute('or', 1, (family << 16) | (scope << 24)),
    store('u32', 10, KEY, r(1)),
    mapReference(1, map),
    compute('set', 2, r(10)),
    compute('add', 2, KEY),
    call(BPF_FUNC_map_lookup_elem),
    jumpIf(0, 'equal', 0, behind),
    compute('add', 0, r(8)),
    load('u8', 1, 0, 0),
    compute('and', 1, r(9)),
    jumpIf(1, 'unequal', 0, 'refuse'),
    { label: behind },
  ]
}
