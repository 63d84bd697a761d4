import type { Cancellable } from './option-fields.ts'

/** How a program is run inside a sandbox, to its end. */
export interface ExecOptions extends Cancellable {
  /** A folder of the host. Default: the one that the engine's process is in. */
  readonly cwd?: string
  /**
   * The whole environment. Default: in the library that of this process; through the client PATH, HOME and LANG of
   * the daemon, never what is in this program's.
   */
  readonly env?: Readonly<Record<string, string | undefined>>
  /** What the program reads from its standard input. */
  readonly input?: string
  /**
   * A program that writes more than that, to stdout or stderr, is killed (NOT_ALLOWED). Default: in the library no
   * limit, through the client 16 MiB, which can't be exceeded.
   */
  readonly maxOutputBytes?: number
  /**
   * It sees the sandbox's hosts, resolv.conf and hostname in /etc, in a mount namespace of its own, and
   * has the sandbox's hostname. Default: true; the host's sandboxes have none.
   */
  readonly mountEtc?: boolean
}

/** How a program has ended, and what it has written. */
export interface ExecResult {
  /** The exit status; null if a signal ended it. */
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}
