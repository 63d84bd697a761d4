import { mkdir, mkdtemp, readFile, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { run } from './run.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

export interface PackedManifest {
  readonly exports: Readonly<Record<string, string>>
  readonly bin: Readonly<Record<string, string>>
  readonly man: readonly string[]
  readonly dependencies: Readonly<Record<string, string>>
  readonly os?: readonly string[]
}

/** A folder of its own with what `npm pack` makes of this one. */
export class PackedPackage implements AsyncDisposable {
  readonly folder: string
  readonly tarball: string
  readonly files: readonly string[]

  private constructor(folder: string, tarball: string, files: readonly string[]) {
    this.folder = folder
    this.tarball = tarball
    this.files = files
  }

  static async pack(): Promise<PackedPackage> {
    const folder = await mkdtemp(join(tmpdir(), 'cnm-packed-'))
    const args = ['--ignore-scripts', '--silent', '--pack-destination', folder, root]
    const name = await run(['npm', 'pack', ...args], { timeoutMs: 60_000 })
    const tarball = join(folder, name.trim())
    const listed = await run(['tar', '-tzf', tarball])
    const files = listed.trim().split('\n')
    return new PackedPackage(
      folder,
      tarball,
      files.map((file) => file.replace(/^package\//, '')),
    )
  }

  /**
   * An empty program's folder into which it is installed, with the packages that are named and no
   * others. They are those of this folder, so that no registry is asked.
   */
  async installInto(name: string, packages: readonly string[]): Promise<Installed> {
    const folder = join(this.folder, name)
    const modules = join(folder, 'node_modules')
    const place = join(modules, 'libcnm')
    await mkdir(place, { recursive: true })
    await run(['tar', '-xzf', this.tarball, '-C', place, '--strip-components=1'])
    for (const each of packages) {
      await mkdir(dirname(join(modules, each)), { recursive: true })
      await symlink(join(root, 'node_modules', each), join(modules, each))
    }
    const text = await readFile(join(place, 'package.json'), 'utf8')
    const manifest = JSON.parse(text) as PackedManifest
    await mkdir(join(modules, '.bin'))
    for (const [command, file] of Object.entries(manifest.bin)) {
      await symlink(join(place, file), join(modules, '.bin', command))
    }
    return { folder, place, manifest }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.folder, { recursive: true, force: true })
  }
}

export interface Installed {
  /** Where the program is that uses it. */
  readonly folder: string
  /** Where the package is. */
  readonly place: string
  readonly manifest: PackedManifest
}

/** Runs code in that folder; answers with its output. Module code, unless the name ends with `.cjs`. */
export function commandIn({ folder }: Installed, file: string, options: readonly string[] = []) {
  return run(['node', ...options, join(folder, file)], { timeoutMs: 30_000 })
}
