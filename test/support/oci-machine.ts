import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { main, until } from './cli-host.ts'
import { exitOf, kill } from './ended.ts'
import { type Finished, finish } from './finish.ts'
import { run } from './run.ts'

export type Runtime = 'runc' | 'crun'

/** Of a config.json, as far as tests look into it or change it. */
export interface Config {
  readonly annotations: Record<string, string>
  readonly hooks: Record<string, { path: string }[]>
  readonly root: { readonly: boolean }
  readonly process: { readonly capabilities: Record<string, string[]> }
  readonly linux: { readonly namespaces: { type: string; path?: string }[] }
  readonly mounts: { destination: string; type: string; source: string; options: string[] }[]
}

/**
 * A machine of its own as far as networks, mounts and processes go, with an empty /run and /var/lib, on which
 * runc and crun make containers, and `cnm` is a command. Its mounts are shared, as systemd has them. Only control groups are this machine's: at its
 * end there are no containers left.
 */
export class OciMachine implements AsyncDisposable {
  /** The working folder of all commands. */
  readonly folder: string
  readonly #process: ChildProcess
  readonly #enter: readonly [string, ...string[]]

  private constructor(folder: string, process: ChildProcess, init: string) {
    this.folder = folder
    this.#process = process
    const path = `PATH=${folder}/bin:${globalThis.process.env.PATH}:/usr/sbin:/sbin`
    const namespaces = ['--mount', '--net', '--pid', `--target=${init}`]
    const shell = ['sh', '-euc', 'cd "$1"; eval "$2"', 'sh', folder]
    this.#enter = ['nsenter', ...namespaces, 'env', '--unset=CNM_HOST', path, ...shell]
  }

  static async start(): Promise<OciMachine> {
    const folder = await mkdtemp(join(tmpdir(), 'cnm-oci-'))
    await mkdir(join(folder, 'bin'))
    const command = join(folder, 'bin/cnm')
    await writeFile(command, `#!/bin/sh\nexec "${process.execPath}" "${main}" "$@"\n`)
    await chmod(command, 0o755)
    // crun knows either version of control groups, and not both at once.
    const script = `mount -t tmpfs tmpfs /run
      mount -t tmpfs tmpfs /var/lib
      ip link set lo up
      mount --make-rshared /
      umount /sys/fs/cgroup/unified 2>/dev/null || true
      echo ready
      exec sleep infinity`
    const own = ['--net', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc']
    const argv = [...own, '--propagation', 'private', 'sh', '-euc', script]
    const child = spawn('unshare', argv, { stdio: ['ignore', 'pipe', 'inherit'] })
    await Promise.race([once(child.stdout, 'data'), exitOf(child)])
    const children = await readFile(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8')
    return new OciMachine(folder, child, children.trim())
  }

  /** What a shell script prints. Errors: it fails. */
  sh(script: string): Promise<string> {
    return run([...this.#enter, script], { timeoutMs: 60_000 })
  }

  /** A command to its end, whatever that is. */
  try(command: string): Promise<Finished> {
    return finish([...this.#enter, `${command} </dev/null`])
  }

  async json<T>(command: string): Promise<T> {
    return JSON.parse(await this.sh(command)) as T
  }

  /** Starts one that doesn't end by itself. */
  async daemon(): Promise<void> {
    await this.sh('cnm daemon >daemon.log 2>&1 &')
    await until(async () => (await this.try('cnm status')).code === 0, 'the daemon is silent')
  }

  /** Starts a dockerd, with the image `busybox` in it. */
  async docker(): Promise<void> {
    const folders = '--data-root /run/docker-data --exec-root /run/docker'
    await this.sh(`dockerd --storage-driver=vfs ${folders} >dockerd.log 2>&1 &`)
    await until(async () => (await this.try('docker version')).code === 0, 'dockerd is silent')
    await this.bundle('image', 'runc')
    await this.sh('tar -C image/rootfs -cf - . | docker import - busybox')
  }

  /** The names of what `cnm sandbox ls`, `network ls` or `endpoint ls` knows. */
  async names(what: 'sandbox' | 'network' | 'endpoint'): Promise<string[]> {
    const all = await this.json<{ name: string }[]>(`cnm ${what} ls --json`)
    return all.map(({ name }) => name).sort()
  }

  /** A bundle with nothing but busybox, whose container runs that command. */
  async bundle(name: string, runtime: Runtime, command = 'sleep 3600'): Promise<void> {
    const args = command.split(' ').map((word) => JSON.stringify(word))
    await this.sh(`mkdir -p ${name}/rootfs/bin
      cp "$(command -v busybox)" ${name}/rootfs/bin/busybox
      chroot ${name}/rootfs /bin/busybox --install -s /bin
      ${runtime} spec --bundle ${name}
      sed -i 's/"terminal": true/"terminal": false/' ${name}/config.json
      sed -i 's|"sh"|${args.join(', ')}|' ${name}/config.json`)
  }

  /** Changes a bundle's config.json by hand. */
  async edit(name: string, change: (config: Config) => void): Promise<void> {
    const path = join(this.folder, name, 'config.json')
    const config = JSON.parse(await readFile(path, 'utf8')) as Config
    change(config)
    await writeFile(path, JSON.stringify(config))
  }

  /** Starts the container of the bundle of the same name. */
  async run(name: string, runtime: Runtime): Promise<void> {
    await this.sh(`${runtime} run --detach --bundle ${name} ${name} </dev/null >${name}/log 2>&1`)
  }

  /** Of a container's first process. */
  async pidOf(name: string, runtime: Runtime): Promise<number> {
    return (await this.json<{ pid: number }>(`${runtime} state ${name}`)).pid
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.try(`docker rm --force $(docker ps --all --quiet)`)
    await this.try(`for runtime in runc crun; do
      for id in $($runtime list -q); do $runtime delete --force $id; done
    done`)
    await kill(this.#process)
    await rm(this.folder, { recursive: true })
  }
}
