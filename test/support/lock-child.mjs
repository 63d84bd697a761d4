// Takes the engine's lock, starts a program that goes on without it, says that one's pid and waits.
// Usage: node lock-child.mjs STATE
import { spawn } from 'node:child_process'
import { lockFile } from '#dist/kernel/linux/ffi/lock.js'
import { acquireEngineLock } from '#dist/store/local/engine-lock.js'

await acquireEngineLock(process.argv[2], lockFile)
const { pid } = spawn('sleep', ['60'], { stdio: 'ignore', detached: true })
console.log(pid)
setTimeout(() => {}, 60_000)
