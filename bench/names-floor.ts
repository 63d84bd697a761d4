import { type NamesSubject, pin, responderProgram } from './names-subject.ts'
import { ip, serve, stop } from './traffic-subject.ts'

/** A C program that answers everybody the same, in a namespace that has nothing else; see responder.c. */
export async function namesFloor(name: string, ...batch: readonly string[]): Promise<NamesSubject> {
  const namespace = `names-floor${batch.join('')}`
  ip('netns', 'add', namespace)
  ip('-n', namespace, 'link', 'set', 'lo', 'up')
  const server = '127.0.0.11'
  const child = await serve(namespace, [responderProgram, server, '53', ...batch])
  // It has taken the place of nsenter.
  const pid = child.pid!
  pin(pid)
  return {
    name,
    namespace,
    server,
    question: 'web',
    pid,
    goals: {},
    async close() {
      await stop(child)
      ip('netns', 'del', namespace)
    },
  }
}
