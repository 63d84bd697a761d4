const colour = process.stdout.isTTY && !process.env.NO_COLOR

/** Prints the demo's steps with their times, and remembers whether all of it was true. */
export class DemoLog {
  #proved = 0
  #failed = 0

  chapter(title: string): void {
    process.stdout.write(`\n${colour ? `\u001b[1m${title}\u001b[0m` : title}\n`)
  }

  /** Something that is done; it fails by throwing. */
  async done<T>(title: string, work: () => Promise<T>): Promise<T> {
    const start = performance.now()
    const value = await work()
    this.#line(true, title, performance.now() - start)
    return value
  }

  /** Something that must be true. */
  async proved(title: string, check: () => Promise<boolean>): Promise<void> {
    const start = performance.now()
    const holds = await check()
    if (holds) this.#proved += 1
    else this.#failed += 1
    this.#line(holds, title, performance.now() - start)
  }

  /** Prints the sum and answers with the exit status. */
  end(): number {
    const sum = `${this.#proved} things proved${this.#failed === 0 ? '' : `, ${this.#failed} NOT TRUE`}`
    process.stdout.write(`\n${sum}\n`)
    return this.#failed === 0 && this.#proved > 0 ? 0 : 1
  }

  #line(good: boolean, title: string, ms: number): void {
    const sign = good ? '✓' : '✗'
    const mark = colour ? `\u001b[${good ? 32 : 31}m${sign}\u001b[0m` : sign
    process.stdout.write(`  ${mark} ${title.padEnd(62)} ${ms.toFixed(1).padStart(8)} ms\n`)
  }
}
