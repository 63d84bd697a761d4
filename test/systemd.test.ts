import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { program } from '../src/cli/program.ts'
import { root } from './support/documentation.ts'

const folder = join(root, 'systemd')
const units = new Map(
  readdirSync(folder).map((name) => [name, readFileSync(join(folder, name), 'utf8')]),
)

/** The values of a directive, in all units or in one. */
function values(directive: string, unit?: string): string[] {
  const texts = unit === undefined ? [...units.values()] : [units.get(unit) ?? '']
  const line = new RegExp(`^${directive}=(.*)$`, 'gm')
  return texts.flatMap((text) => [...text.matchAll(line)].map(([, value]) => value!))
}

/** What systemd says of the units; nothing if it has nothing to say. */
function verify(texts: ReadonlyMap<string, string>): string {
  const copies = mkdtempSync(join(tmpdir(), 'cnm-units-'))
  try {
    for (const [name, text] of texts) {
      // It wants the program to be there.
      writeFileSync(join(copies, name), text.replaceAll('/usr/bin/cnm', process.execPath))
    }
    const paths = [...texts.keys()].map((name) => join(copies, name))
    const { stdout, stderr, status } = spawnSync(
      'systemd-analyze',
      ['verify', '--man=no', ...paths],
      {
        encoding: 'utf8',
        timeout: 15_000,
      },
    )
    return `${stdout}${stderr}${status === 0 ? '' : `status ${status}`}`
  } finally {
    rmSync(copies, { recursive: true })
  }
}

const hasSystemd = spawnSync('systemd-analyze', ['--version']).status === 0

describe('the units', () => {
  it('are what systemd can read', ({ skip }) => {
    if (!hasSystemd) skip('there is no systemd-analyze')
    expect(verify(units)).toBe('')
    const broken = new Map(units).set(
      'cnm.service',
      `${units.get('cnm.service')}\n[Service]\nNo=1\n`,
    )
    expect(verify(broken)).toContain('Unknown key')
  })

  it('start commands that there are, with options that they have', async () => {
    const started = values('ExecStart')
    expect(started).toHaveLength(2)
    for (const line of started) {
      const [path, name, ...options] = line.split(' ')
      expect(path).toBe('/usr/bin/cnm')
      const command = (await program()).commands.find((one) => one.name() === name)
      expect(command?.name()).toBe(name)
      for (const option of options)
        expect(command?.options.map(({ long }) => long)).toContain(option)
    }
  })

  it('hand on sockets where, and by the names by which, they are looked for', () => {
    const daemon = readFileSync(join(root, 'src/linux/daemon.ts'), 'utf8')
    const looked = [...daemon.matchAll(/\bat\('([a-z.]+)'/g)].map(([, name]) => name!)
    expect(looked.sort()).toEqual(['cnm.sock', 'docker.sock'])
    const paths = values('ListenStream').sort()
    const own = [...looked, 'keeper.sock'].map((name) => `/run/cnm/${name}`)
    expect(paths).toEqual([...own, '/run/docker/plugins/cnm.sock'])
    const plugin = /sockets\.get\('(docker-plugin\.sock)'/.exec(daemon)?.[1]
    expect(values('FileDescriptorName', 'cnm-docker-plugin.socket')).toEqual([plugin])
    const names = [...looked, plugin, 'keeper.sock'].sort()
    expect(values('FileDescriptorName').sort()).toEqual(names)
  })

  it('give nobody access but root and a group', () => {
    expect(values('SocketMode', 'cnm.socket')).toEqual(['0660'])
    expect(values('SocketMode', 'cnm-docker.socket')).toEqual(['0660'])
    expect(values('SocketMode', 'cnm-keeper.socket')).toEqual(['0600'])
    expect(values('SocketMode', 'cnm-docker-plugin.socket')).toEqual(['0600'])
  })

  it('let go on what must outlive the daemon', () => {
    expect(values('KillMode', 'cnm.service')).toEqual(['process'])
    for (const unit of ['cnm.service', 'cnm-keeper.service']) {
      expect(values('RuntimeDirectoryPreserve', unit)).toEqual(['yes'])
      expect(values('Restart', unit)).toEqual(['on-failure'])
    }
    // Wanted: its end is not the keeper's end, nor the other way round.
    expect(values('Wants', 'cnm.service')).toEqual(['cnm-keeper.service'])
    expect([...values('PartOf'), ...values('BindsTo')]).toEqual([])
    expect(values('Requires', 'cnm.service')).toEqual(['cnm.socket'])
  })

  it('give services no namespaces of their own: only these directives are known not to', () => {
    const known =
      /^(Type|NotifyAccess|EnvironmentFile|ExecStart|Restart|RestartSec|RestartPreventExitStatus|TimeoutStopSec|KillMode|OOMScoreAdjust|LimitNOFILE|TasksMax|(State|Runtime)Directory(Mode|Preserve)?)$/
    for (const unit of ['cnm.service', 'cnm-keeper.service']) {
      const [, service = ''] =
        /^\[Service\]\n([\s\S]*?)(?=^\[|$(?![\s\S]))/m.exec(units.get(unit)!) ?? []
      const directives = [...service.matchAll(/^(\w+)=/gm)].map(([, name]) => name!)
      expect(directives).toContain('ExecStart')
      expect(directives.filter((name) => !known.test(name))).toEqual([])
    }
  })
})
