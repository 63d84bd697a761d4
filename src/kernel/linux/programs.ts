import { type ChildProcess, spawn } from 'node:child_process'
import { statSync } from 'node:fs'
import { CnmError, KernelError } from '../../base/errors.ts'
import type { Command } from '../kernel.ts'
import { close, pipe } from './ffi/file.ts'
import { closeOnExecFrom } from './ffi/process.ts'
import type { Ended, SpawnedProgram } from './operations.ts'

/** Programs started by the calling thread: a child is born in the network namespace of its parent. */
export class Programs {
  readonly #running = new Map<number, ChildProcess>()
  readonly #onEnd: (program: number, ended: Ended) => void

  constructor(onEnd: (program: number, ended: Ended) => void) {
    this.#onEnd = onEnd
  }

  /**
   * Starts a program; to be called inside the namespace. What comes of it is known later. Errors:
   * COMMAND_NOT_FOUND, a KernelError for anything else that keeps it from starting.
   */
  start(program: number, command: Command): () => Promise<SpawnedProgram> {
    const { argv, cwd, env, uid, gid } = command
    const pipes = command.stdio === 'pipe' ? ([pipe(), pipe(), pipe()] as const) : undefined
    const theirs = pipes && [pipes[0].read, pipes[1].write, pipes[2].write]
    const ours = pipes && ([pipes[0].write, pipes[1].read, pipes[2].read] as const)
    // Whatever this process has inherited or a library of it has opened without the flag.
    closeOnExecFrom(3)
    const child = spawn(argv[0], argv.slice(1), {
      cwd,
      env,
      uid,
      gid,
      stdio: theirs ?? [0, 1, 2],
    })
    for (const fd of theirs ?? []) close(fd)
    return () =>
      new Promise((resolve, reject) => {
        child.once('error', (error) => {
          if (child.pid !== undefined) return
          for (const fd of ours ?? []) close(fd)
          reject(notStarted(error, command))
        })
        child.once('exit', (code, signal) => {
          this.#running.delete(program)
          this.#onEnd(program, { code, signal })
        })
        if (child.pid === undefined) return
        this.#running.set(program, child)
        resolve({ pid: child.pid, pipes: ours })
      })
  }

  /** Only while the program is running: afterwards its number may be another's. */
  kill(program: number, signal: NodeJS.Signals): void {
    this.#running.get(program)?.kill(signal)
  }
}

function notStarted(error: NodeJS.ErrnoException, { argv, cwd }: Command): Error {
  const code = error.code ?? 'EIO'
  if (cwd !== undefined && !isFolder(cwd)) {
    return new KernelError('chdir', code, { target: cwd, message: 'there is no such folder' })
  }
  if (code !== 'ENOENT') return new KernelError('execve', code, { target: argv[0] })
  return new CnmError('COMMAND_NOT_FOUND', `there is no command "${argv[0]}"`, {
    details: { command: argv[0] },
    hint: argv[0].includes('/') ? 'check its path' : 'is it installed, and in PATH?',
  })
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false
}
