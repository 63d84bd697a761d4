import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { LocalSandbox } from '#dist/linux/library.js'
import { addressOf } from '../support/engine-rig.ts'
import { NamesWorld } from '../support/names-world.ts'
import { run } from '../support/run.ts'

let world: NamesWorld

beforeAll(async () => {
  world = await NamesWorld.start()
  await world.cnm.createNetwork({ name: 'web', subnets: ['10.7.0.0/24', 'fd00:7::/64'] })
  await world.cnm.createNetwork({ name: 'back', subnets: ['10.8.0.0/24'] })
  await world.box('api', 'web')
})

afterAll(async () => {
  await world[Symbol.asyncDispose]()
})

async function output(box: LocalSandbox, ...argv: [string, ...string[]]): Promise<string> {
  const { stdout, stderr, code } = await box.exec(argv)
  if (code !== 0) throw new Error(`${argv.join(' ')}: ${code} ${stdout}${stderr}`)
  return stdout
}

const lines = (text: string) => text.split('\n').filter((line) => /^[^#\s]/.test(line))
const words = (text: string) => lines(text).map((line) => line.split(/\s+/).join(' '))

describe('programs in a sandbox', () => {
  it('of glibc find names and addresses', async () => {
    const { cnm } = world
    const box = await world.box('glibc', 'web')
    const api = cnm.sandbox('api')
    const found = new Set(
      words(await output(box, 'getent', 'ahosts', 'api')).map((line) => line.split(' ')[0]),
    )
    expect([...found].sort()).toEqual([await addressOf(api), await addressOf(api, 'ipv6')].sort())
    expect(await output(box, 'getent', 'hosts', await addressOf(api))).toContain('api.web')
    expect((await box.exec(['getent', 'ahosts', 'nobody'])).code).toBe(2)
    expect(await output(box, 'ping', '-4', '-c1', '-W2', 'api.web')).toContain(await addressOf(api))
  })

  it('of BusyBox do, too', async () => {
    const box = await world.box('busybox', 'web')
    const api = await addressOf(world.cnm.sandbox('api'))
    expect(await output(box, 'busybox', 'nslookup', 'api')).toContain(`Address: ${api}`)
    expect(await output(box, 'busybox', 'ping', '-4', '-c1', '-W2', 'api')).toContain(`(${api})`)
  })

  it('linked with musl do, too', async () => {
    const box = await world.box('musl', 'web')
    const api = world.cnm.sandbox('api')
    const folder = await mkdtemp(join(tmpdir(), 'cnm-musl-'))
    try {
      const program = await muslResolver(folder)
      const found = lines(await output(box, program, 'api'))
      expect(found.sort()).toEqual([await addressOf(api), await addressOf(api, 'ipv6')].sort())
      expect(lines(await output(box, program, 'api.web'))).toHaveLength(2)
      expect((await box.exec([program, 'nobody'])).code).toBe(1)
    } finally {
      await rm(folder, { recursive: true })
    }
  })

  it('find names in the domains that are searched', async () => {
    const { names } = world.upstream
    names['www.example.test'] = ['192.0.2.80']
    names['a.b.example.test'] = ['192.0.2.81']
    const box = await world.cnm.createSandbox({
      dnsSearch: ['example.test'],
      dnsOptions: ['ndots:2'],
      connect: [{ network: 'web' }],
    })
    expect(await output(box, 'getent', 'ahosts', 'www')).toContain('192.0.2.80')
    expect(await output(box, 'getent', 'ahosts', 'a.b')).toContain('192.0.2.81')
    expect(await output(box, 'getent', 'ahosts', 'api')).toContain(
      await addressOf(world.cnm.sandbox('api')),
    )
    const text = await output(box, 'cat', '/etc/resolv.conf')
    expect(lines(text)).toEqual(['nameserver 127.0.0.11', 'search example.test', 'options ndots:2'])
  })
})

describe('the files of a sandbox', () => {
  it('say who it is, and whom it was told of', async () => {
    const box = await world.cnm.createSandbox({
      name: 'files',
      hostname: 'one',
      domainname: 'example.test',
      extraHosts: ['db:192.0.2.9', 'six=2001:db8::9', 'gate:host-gateway'],
      connect: [{ network: 'web' }],
    })
    const { ipv4, ipv6 } = await world.cnm.network('web').inspect()
    const hosts = words(await output(box, 'cat', '/etc/hosts'))
    expect(hosts).toEqual(
      expect.arrayContaining([
        '127.0.0.1 localhost',
        '192.0.2.9 db',
        '2001:db8::9 six',
        `${await addressOf(box)} one.example.test one`,
        `${await addressOf(box, 'ipv6')} one.example.test one`,
        `${ipv4?.gateway} host.internal gate`,
        `${ipv6?.gateway} host.internal gate`,
      ]),
    )
    expect(await output(box, 'hostname')).toBe('one\n')
    expect(await output(box, 'cat', '/etc/hostname')).toBe('one\n')
    expect(lines(await output(box, 'cat', '/etc/resolv.conf'))[0]).toBe('nameserver 127.0.0.11')
    expect(await output(box, 'getent', 'hosts', 'gate')).toContain('gate')
  })

  it('are mounted for programs that want it, and are files for runtimes', async () => {
    const box = await world.box('runtime', 'web')
    const theirs = await readFile('/etc/hosts', 'utf8')
    const { stdout } = await box.exec(['cat', '/etc/hosts'], { mountEtc: false })
    expect(stdout).toBe(theirs)
    const { files } = await box.inspect()
    expect(await readFile(files!.hosts, 'utf8')).toBe(await output(box, 'cat', '/etc/hosts'))
    expect(await readFile(files!.resolvConf!, 'utf8')).toContain('nameserver 127.0.0.11')
    expect(await readFile(files!.hostname, 'utf8')).toBe('runtime\n')
    // Nobody else sees them.
    expect(await readFile('/etc/hosts', 'utf8')).toBe(theirs)
  })

  it('follow its networks, around what a user has written', async () => {
    const box = await world.box('edited', 'web')
    const first = await addressOf(box)
    await output(box, 'sh', '-c', 'echo "192.0.2.7 mine # by hand" >> /etc/hosts')
    const second = await box.connect(world.cnm.network('back'))
    const { ipv4 } = await second.inspect()
    const both = await output(box, 'cat', '/etc/hosts')
    expect(both).toContain('192.0.2.7 mine # by hand\n')
    expect(words(both)).toEqual(expect.arrayContaining([`${first} edited`, `${ipv4} edited`]))
    await second.leave()
    const after = await output(box, 'cat', '/etc/hosts')
    expect(after).toContain('192.0.2.7 mine # by hand\n')
    expect(after).toContain(`${first}\tedited\n`)
    expect(after).not.toContain(`${ipv4}\t`)
    expect(await world.cnm.doctor()).toEqual([])
  })

  it('are seen changing by a program that runs', async () => {
    const box = await world.box('running', 'web')
    const script = 'read line; cat /etc/hosts'
    const program = await box.spawn(['sh', '-c', script])
    const { ipv4 } = await (await box.connect(world.cnm.network('back'))).inspect()
    program.stdin!.end('now\n')
    const chunks: Buffer[] = []
    for await (const chunk of program.stdout!) chunks.push(chunk as Buffer)
    expect(Buffer.concat(chunks).toString()).toContain(`${ipv4}\trunning\n`)
    await program.ended
  })

  it('go with it', async () => {
    const box = await world.box('going', 'web')
    const { files } = await box.inspect()
    await box.delete()
    await expect(readFile(files!.hosts)).rejects.toMatchObject({ code: 'ENOENT' })
  })

  it('are without a resolver where a runtime has its own', async () => {
    const box = await world.cnm.createSandbox({ resolver: false, connect: [{ network: 'web' }] })
    expect((await box.inspect()).files).toEqual({
      hosts: expect.any(String),
      hostname: expect.any(String),
    })
    const { code } = await box.exec(['dig', '@127.0.0.11', '+tries=1', '+time=1', 'api'])
    expect(code).not.toBe(0)
  })
})

/** A program that prints the addresses of a name, one a line, as musl's getaddrinfo gives them. */
async function muslResolver(folder: string): Promise<string> {
  const [source, program] = [join(folder, 'resolve.c'), join(folder, 'resolve')]
  await writeFile(
    source,
    `#include <arpa/inet.h>
     #include <netdb.h>
     #include <stdio.h>
     int main(int argc, char **argv) {
       struct addrinfo hints = {.ai_socktype = SOCK_DGRAM}, *one;
       char text[64];
       if (argc != 2 || getaddrinfo(argv[1], "53", &hints, &one) != 0) return 1;
       for (; one != NULL; one = one->ai_next) {
         void *four = &((struct sockaddr_in *)one->ai_addr)->sin_addr;
         void *six = &((struct sockaddr_in6 *)one->ai_addr)->sin6_addr;
         puts(inet_ntop(one->ai_family, one->ai_family == AF_INET ? four : six, text, 64));
       }
     }`,
  )
  await run(['musl-gcc', '-static', '-o', program, source])
  return program
}
