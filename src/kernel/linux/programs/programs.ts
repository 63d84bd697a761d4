/**
 * Programs born in a namespace: how they are started and waited for, and what they see of the machine in place
 * of what there is (program-view, covered-files).
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { statSync } from 'node:fs'
import { CnmError, KernelError } from '../../../base/errors.ts'
import type { Command } from '../../kernel.ts'
import { close, pipe } from '../ffi/file.ts'
import { closeOnExecFrom } from '../ffi/process.ts'
import type { Ended, SpawnedProgram } from '../thread/operations.ts'
import { ProgramViews } from './program-view.ts'

/** Programs started by the calling thread: a child is born in the network namespace of its parent. */
export class Programs {
  readonly #running = new Map<number, ChildProcess>()
  readonly #views: ProgramViews
  readonly #onEnd: (program: number, ended: Ended) => void

  constructor(
    onEnd: (program: number, ended: Ended) => void,
    onProblem: (message: string) => void,
  ) {
    this.#onEnd = onEnd
    this.#views = new ProgramViews(onProblem)
  }

  /**
   * Starts a program; to be called inside the namespace. What comes of it is known later. Errors:
   * COMMAND_NOT_FOUND, COMMAND_NOT_EXECUTABLE, INVALID_ARGUMENT (no such `cwd`), those of ProgramViews,
   * a KernelError for anything else that keeps it from starting.
   */
  start(program: number, command: Command): () => Promise<SpawnedProgram> {
    const pipes = command.stdio === 'pipe' ? openPipes() : undefined
    const theirs = pipes && [pipes[0].read, pipes[1].write, pipes[2].write]
    const ours = pipes && ([pipes[0].write, pipes[1].read, pipes[2].read] as const)
    let child: ChildProcess
    try {
      child = this.#views.start(program, command, () => spawnWith(command, theirs ?? [0, 1, 2]))
    } catch (error) {
      for (const fd of ours ?? []) close(fd)
      throw notStarted(error as NodeJS.ErrnoException, command)
    } finally {
      for (const fd of theirs ?? []) close(fd)
    }
    return () =>
      new Promise((resolve, reject) => {
        child.once('error', (error) => {
          if (child.pid !== undefined) return
          this.#views.end(program)
          for (const fd of ours ?? []) close(fd)
          reject(notStarted(error, command))
        })
        child.once('exit', (code, signal) => {
          this.#running.delete(program)
          this.#views.end(program)
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

  /** Programs go on running. */
  close(): void {
    this.#views.close()
  }
}

function spawnWith({ argv, cwd, env, uid, gid }: Command, stdio: number[]): ChildProcess {
  // Whatever this process has inherited or a library of it has opened without the flag.
  closeOnExecFrom(3)
  return spawn(argv[0], argv.slice(1), { cwd, env, uid, gid, stdio })
}

type Pipe = ReturnType<typeof pipe>

function openPipes(): readonly [Pipe, Pipe, Pipe] {
  const open: Pipe[] = []
  try {
    while (open.length < 3) open.push(pipe())
  } catch (error) {
    for (const fd of open.flatMap(({ read, write }) => [read, write])) close(fd)
    throw error
  }
  return open as [Pipe, Pipe, Pipe]
}

/** What Node throws at once and what it tells later: which of them it is depends on the error. */
function notStarted(error: NodeJS.ErrnoException, { argv, cwd }: Command): Error {
  const { code, syscall } = error
  if (code === undefined || syscall === undefined) return error
  if (cwd !== undefined && !isFolder(cwd)) {
    return new CnmError('INVALID_ARGUMENT', `there is no folder ${cwd} to run "${argv[0]}" in`, {
      details: { cwd },
    })
  }
  if (code === 'EACCES' || code === 'ENOEXEC') {
    return new CnmError('COMMAND_NOT_EXECUTABLE', `"${argv[0]}" can't be executed`, {
      details: { command: argv[0] },
      hint: 'is it a program, or a script with an interpreter, and may it be executed?',
    })
  }
  if (code !== 'ENOENT' && code !== 'ENOTDIR') {
    return new KernelError('execve', code, { target: argv[0] })
  }
  return new CnmError('COMMAND_NOT_FOUND', `there is no command "${argv[0]}"`, {
    details: { command: argv[0] },
    hint: argv[0].includes('/') ? 'check its path' : 'is it installed, and in PATH?',
  })
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false
}
