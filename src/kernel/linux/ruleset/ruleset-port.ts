/**
 * The number of the socket by which this process changes the host's ruleset. The kernel thread writes it
 * before the first change; who listens on another thread tells ours from others' by it.
 */
export class RulesetPort {
  readonly memory: SharedArrayBuffer
  readonly #number: Uint32Array

  /** A new one, or what another thread was given. */
  constructor(memory: SharedArrayBuffer = new SharedArrayBuffer(Uint32Array.BYTES_PER_ELEMENT)) {
    this.memory = memory
    this.#number = new Uint32Array(memory)
  }

  set(portId: number): void {
    Atomics.store(this.#number, 0, portId)
  }

  is(portId: number): boolean {
    // 0 is the kernel itself.
    return portId !== 0 && Atomics.load(this.#number, 0) === portId
  }
}
