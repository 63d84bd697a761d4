import { chmod, chown, lstat, mkdtemp, readFile, rename, rm } from 'node:fs/promises'
import { createConnection, type Server } from 'node:net'
import { basename, dirname, join } from 'node:path'
import { CnmError } from '../base/errors.ts'

/** Where requests come in: a socket to be made, or one that was handed to this process. */
export type Listener =
  | {
      readonly path: string
      /** Who may connect besides root, if there is such a group. */
      readonly group?: string
    }
  | { readonly fd: number }

/** `sun_path`, with a NUL at its end. */
const longestPath = 107

/**
 * Begins to listen. A socket at a path belongs to root and the group from the first moment on, and takes
 * the place of one at which nothing answers. Answers with what removes it. Errors: ENGINE_RUNNING
 * (another process answers there), INVALID_ARGUMENT.
 */
export async function listen(server: Server, listener: Listener): Promise<() => Promise<void>> {
  if ('fd' in listener) {
    await listening(server, { fd: listener.fd })
    return async () => {}
  }
  const { path, group } = listener
  refuseLong(path)
  await refuseOther(path)
  const folder = await mkdtemp(join(dirname(path), '.s-'))
  try {
    const made = join(folder, 's')
    await listening(server, { path: made })
    const id = group === undefined ? undefined : await groupId(group)
    if (id !== undefined) await chown(made, -1, id)
    await chmod(made, 0o660)
    const { ino } = await lstat(made)
    await rename(made, path)
    return () => removeOurs(path, ino)
  } catch (error) {
    server.close()
    throw error
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

function listening(server: Server, where: { path: string } | { fd: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ ...where, backlog: 4096 }, () => {
      server.off('error', reject)
      resolve()
    })
  })
}

function refuseLong(path: string): void {
  // What it is made at before it is renamed.
  const length = Buffer.byteLength(path) - Buffer.byteLength(basename(path)) + '.s-XXXXXX/s'.length
  if (Math.max(length, Buffer.byteLength(path)) <= longestPath) return
  throw new CnmError('INVALID_ARGUMENT', `${path} is too long for a unix socket`, {
    details: { path },
    hint: 'use another folder for what runs',
  })
}

async function refuseOther(path: string): Promise<void> {
  const there = await lstat(path).catch(ignoreMissing)
  if (there === undefined) return
  if (!there.isSocket()) {
    throw new CnmError('INVALID_ARGUMENT', `${path} is there already, and is no socket`, {
      details: { path },
      hint: 'move it away',
    })
  }
  if (!(await answers(path))) return
  throw new CnmError('ENGINE_RUNNING', `another process answers at ${path} already`, {
    details: { path },
    hint: 'end that daemon, or use another folder for what runs',
  })
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection(path)
    const end = (is: boolean) => {
      socket.destroy()
      resolve(is)
    }
    socket.once('connect', () => end(true))
    socket.once('error', (error: NodeJS.ErrnoException) => {
      // One whose queue is full is alive, too.
      end(error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT')
    })
  })
}

async function groupId(name: string): Promise<number | undefined> {
  const text = await readFile('/etc/group', 'utf8').catch(() => '')
  const line = text.split('\n').find((each) => each.startsWith(`${name}:`))
  const id = Number(line?.split(':')[2] || Number.NaN)
  return Number.isInteger(id) ? id : undefined
}

/** Another process may have put another one there. */
async function removeOurs(path: string, ino: number): Promise<void> {
  const there = await lstat(path).catch(ignoreMissing)
  if (there?.ino === ino) await rm(path, { force: true })
}

function ignoreMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error
}
