// Process 1 of a namespace, that does for a keeper what systemd does: it keeps its socket and starts it for
// who connects. Two engines come one after the other, and the keeper hangs in between. Tells of each engine
// which keeper it had, as JSON.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { POLLIN, waitFor } from '#dist/kernel/linux/ffi/poll.js'
import { listenUnix } from '#dist/kernel/linux/ffi/unix-socket.js'

const [options, resources] = process.argv.slice(2, 4)
const { folder } = JSON.parse(options).keeper
const cli = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))
const engine = fileURLToPath(new URL('./keeper-child.mjs', import.meta.url))

mkdirSync(folder, { recursive: true })
const path = join(folder, 'keeper.sock')
const listening = listenUnix(path)
const { ino } = statSync(path)
let keeper

/** `$$` stays what it is: the shell becomes the keeper. */
function startKeeper() {
  const script = 'LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" "$@"'
  const argv = [process.execPath, cli, 'keeper', '--run-dir', folder]
  keeper = spawn('sh', ['-c', script, ...argv], {
    stdio: ['ignore', 'inherit', 'inherit', listening],
  })
  keeper.once('exit', () => {
    keeper = undefined
  })
}

/** Until none of its threads goes on. */
async function stopKeeper() {
  keeper.kill('SIGSTOP')
  const threads = `/proc/${keeper.pid}/task`
  const isStopped = (thread) => readFileSync(join(threads, thread, 'stat'), 'utf8').includes(') T ')
  while (!readdirSync(threads).every(isStopped)) await delay(5)
}

async function watch() {
  for (;;) {
    if (keeper === undefined && waitFor(listening, POLLIN, 0)) startKeeper()
    await delay(10)
  }
}

async function runEngine(say) {
  const child = spawn(process.execPath, [engine, options, resources], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = once(child, 'exit')
  await once(child.stdout, 'data')
  child.kill('SIGKILL')
  await ended
  const others = readFileSync('/proc/net/unix', 'utf8')
    .split('\n')
    .filter((line) => line.endsWith(` ${path}`) && line.includes(' 00010000 '))
  console.log(
    JSON.stringify({
      say,
      keeper: keeper?.pid,
      same: statSync(path).ino === ino,
      listeners: others.length,
    }),
  )
}

void watch()
await runEngine('first')
await stopKeeper()
await runEngine('second')
const ended = once(keeper, 'exit')
keeper.kill('SIGTERM')
await ended
console.log(JSON.stringify({ say: 'end', same: statSync(path).ino === ino }))
process.exit()
