/** Something that attaches sandboxes to networks and is measured doing it. Times are milliseconds. */
export interface Subject {
  /**
   * Attaches `count` more sandboxes, one after the other, and says how long each took. With `ports` each
   * has one published; the floor attaches as without.
   */
  attach(count: number, ports?: 'ports'): Promise<number[]>
  /** Removes the `count` newest, one after the other. */
  detach(count: number): Promise<Detached>
  close(): Promise<void>
}

export interface Detached {
  /** How long each call took; then nothing of the sandbox has an effect any more. */
  readonly each: number[]
  /** From the first call until the kernel has collected everything. */
  readonly untilGone: number
}
