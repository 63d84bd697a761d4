import type { ResolverCounters } from '../../kernel/kernel.ts'
import type { Engine } from '../engine.ts'
import type { SandboxRecord } from '../records.ts'
import { filesOf, hostnameOf, type SandboxFiles } from './sandbox-names.ts'

/** What is known of a sandbox. */
export interface LocalSandboxInfo extends Omit<SandboxRecord, 'resources'> {
  /**
   * Files for its programs, to be mounted over those of the same names in /etc. They are there as long as the
   * sandbox, change with its endpoints, and are left as they are once they were edited them.
   * Absent: the host's own are used.
   */
  readonly files?: SandboxFiles
  /** Its resolver; absent: it has none of ours. */
  readonly names?: {
    /** Absent: it hasn't been asked yet. They start at 0 again where the keeper had to. */
    readonly counters?: ResolverCounters
  }
}

/** What is shown of a record. */
export function sandboxInfo(engine: Engine, sandbox: SandboxRecord): LocalSandboxInfo {
  const { resources: _, ...info } = sandbox
  const files = filesOf(engine.sandboxDir, sandbox)
  if (files === undefined) return info
  const counters = engine.names.countersOf(sandbox.id)
  return {
    ...info,
    hostname: hostnameOf(sandbox),
    files,
    ...(files.resolvConf === undefined ? {} : { names: counters ? { counters } : {} }),
  }
}
