/** The kernel's BPF instructions as far as they are needed, and labels for jumps. */

/** 0 is the result, 1–5 are arguments and lost in a call, 6–9 stay, 10 is the end of the stack. */
type Register = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 | 10

interface Instruction {
  readonly code: number
  readonly to?: Register
  readonly from?: Register
  readonly offset?: number
  readonly immediate?: number
  /** The label to jump to. */
  readonly jump?: string
  /** The second half of a constant of 64 bits, which takes two places. */
  readonly high?: number
}

export type Step = Instruction | { readonly label: string }

// linux/bpf_common.h and linux/bpf.h: class, size or source, mode or operation in one byte.
const BPF_LDX_MEM = 0x61
const BPF_ST_MEM = 0x62
const BPF_STX_MEM = 0x63
const BPF_LD_IMM64 = 0x18
const BPF_TO_BE = 0xdc
const BPF_JA = 0x05
const BPF_CALL = 0x85
const BPF_EXIT = 0x95
const BPF_X = 0x08
const BPF_PSEUDO_MAP_FD = 1

const sizes = { u32: 0x00, u8: 0x10, u64: 0x18 } as const
const operations = { add: 0x07, or: 0x47, and: 0x57, shiftLeft: 0x67, shiftRight: 0x77, set: 0xb7 }
const conditions = { equal: 0x15, unequal: 0x55 } as const

type Size = keyof typeof sizes

/** An operand is a register as `r(3)`, or a number of 31 bits. */
interface RegisterOperand {
  readonly register: Register
}
type Operand = RegisterOperand | number

export function r(register: Register): RegisterOperand {
  return { register }
}

export function compute(
  operation: keyof typeof operations,
  to: Register,
  operand: Operand,
): Instruction {
  return { code: operations[operation], to, ...withOperand(operations[operation], operand) }
}

/** Reads memory: `to = *(size *)(from + offset)`. */
export function load(size: Size, to: Register, from: Register, offset: number): Instruction {
  return { code: BPF_LDX_MEM | sizes[size], to, from, offset }
}

/** Writes memory: `*(size *)(to + offset) = operand`. */
export function store(size: Size, to: Register, offset: number, operand: Operand): Instruction {
  const at = { to, offset }
  return typeof operand === 'number'
    ? { code: BPF_ST_MEM | sizes[size], ...at, immediate: operand }
    : { code: BPF_STX_MEM | sizes[size], ...at, from: operand.register }
}

/** Turns a number of that many bits from the machine's order of bytes to the network's, or back. */
export function swapToNetwork(to: Register, bits: 16 | 32): Instruction {
  return { code: BPF_TO_BE, to, immediate: bits }
}

export function constant(to: Register, value: bigint): Instruction {
  return {
    code: BPF_LD_IMM64,
    to,
    immediate: Number(BigInt.asIntN(32, value)),
    high: Number(BigInt.asIntN(32, value >> 32n)),
  }
}

export function mapReference(to: Register, map: number): Instruction {
  return { code: BPF_LD_IMM64, to, from: BPF_PSEUDO_MAP_FD, immediate: map, high: 0 }
}

export function jump(label: string): Instruction {
  return { code: BPF_JA, jump: label }
}

export function jumpIf(
  register: Register,
  condition: keyof typeof conditions,
  operand: Operand,
  label: string,
): Instruction {
  const code = conditions[condition]
  return { code, to: register, ...withOperand(code, operand), jump: label }
}

/** Calls one of the kernel's BPF_FUNC_…. */
export function call(helper: number): Instruction {
  return { code: BPF_CALL, immediate: helper }
}

export function exit(): Instruction {
  return { code: BPF_EXIT }
}

/** The bytes the kernel takes. */
export function assemble(steps: readonly Step[]): Buffer {
  const places = new Map<string, number>()
  let place = 0
  for (const step of steps) {
    if ('label' in step) places.set(step.label, place)
    else place += step.high === undefined ? 1 : 2
  }
  const bytes = Buffer.alloc(place * 8)
  place = 0
  for (const step of steps) {
    if ('label' in step) continue
    const { code, to = 0, from = 0, offset = 0, immediate = 0, high } = step
    const at = place * 8
    const distance = step.jump === undefined ? offset : places.get(step.jump)! - place - 1
    bytes.writeUInt8(code, at)
    bytes.writeUInt8(to | (from << 4), at + 1)
    bytes.writeInt16LE(distance, at + 2)
    bytes.writeInt32LE(immediate, at + 4)
    if (high !== undefined) bytes.writeInt32LE(high, at + 12)
    place += high === undefined ? 1 : 2
  }
  return bytes
}

function withOperand(code: number, operand: Operand): Partial<Instruction> {
  return typeof operand === 'number'
    ? { immediate: operand }
    : { code: code | BPF_X, from: operand.register }
}
