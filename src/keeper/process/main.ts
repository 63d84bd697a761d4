import type { KeeperOptions } from '../keeper.ts'
import { runKeeper } from './run-keeper.ts'

/** Where the parent of this process has put the keeper's socket. */
const LISTEN_FD = 3

runKeeper(JSON.parse(process.argv[2]!) as KeeperOptions, LISTEN_FD)
