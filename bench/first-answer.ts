import { request } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'

const patienceMs = 60_000

/** Resolves when whoever listens at that socket first answers. */
export async function firstAnswer(socketPath: string, path: string): Promise<void> {
  const deadline = performance.now() + patienceMs
  while (!(await isAnswered(socketPath, path))) {
    if (performance.now() > deadline) throw new Error(`nobody answers at ${socketPath}`)
    await sleep(2)
  }
}

function isAnswered(socketPath: string, path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const asked = request({ socketPath, path, agent: false }, (response) => {
      response.resume()
      response.once('end', () => resolve(response.statusCode === 200))
    })
    asked.once('error', () => resolve(false))
    asked.end()
  })
}

/** From killing a daemon until the next one has answered, in milliseconds. */
export async function restartTime(
  daemon: {
    replace(): Promise<void>
    readonly socketPath: string
  },
  path: string,
): Promise<number> {
  const begin = performance.now()
  await daemon.replace()
  await firstAnswer(daemon.socketPath, path)
  return performance.now() - begin
}
