import type { ServerResponse } from 'node:http'

/**
 * Sends values as lines of JSON, until there are no more. A reader that takes nothing for so long is no reader
 * any more: its connection is ended, and so it is if the values end with an error.
 */
export async function sendLines(
  response: ServerResponse,
  values: AsyncIterable<unknown>,
  headers: Readonly<Record<string, string>>,
  stallMs: number,
): Promise<void> {
  response.writeHead(200, { 'content-type': 'application/x-ndjson', ...headers })
  // So that who asked knows that nothing is missed from now on.
  response.flushHeaders()
  try {
    for await (const value of values) {
      if (response.closed) break
      const isTaken = response.write(`${JSON.stringify(value)}\n`)
      if (!isTaken && !(await drained(response, stallMs))) throw stalled(stallMs)
    }
    response.end()
  } catch (error) {
    response.destroy()
    throw error
  }
}

/** false: the reader has taken nothing for so long. */
async function drained(response: ServerResponse, stallMs: number): Promise<boolean> {
  if (response.closed) return true
  return new Promise((resolve) => {
    const finish = () => {
      clearTimeout(timer)
      response.off('drain', finish)
      response.off('close', finish)
      resolve(response.closed || !response.writableNeedDrain)
    }
    const timer = setTimeout(finish, stallMs)
    response.on('drain', finish)
    response.on('close', finish)
  })
}

function stalled(stallMs: number): Error {
  return new Error(`the reader of a stream has taken nothing for ${stallMs} ms`)
}
