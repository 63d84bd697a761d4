import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { main } from '../support/cli-host.ts'
import { hasDocker } from '../support/docker-daemon.ts'
import { codeBlocks, root } from '../support/documentation.ts'
import { isInstalled } from '../support/installed.ts'
import { OciMachine, type Runtime } from '../support/oci-machine.ts'

describe.skipIf(!isInstalled('runc', 'crun', 'busybox'))('containers of OCI runtimes', () => {
  it('do what their page says', { timeout: 120_000 }, async () => {
    await using machine = await OciMachine.start()
    const text = await readFile(join(root, 'docs/oci.md'), 'utf8')
    const blocks = codeBlocks({ path: 'docs/oci.md', text }).filter(({ language, code }) => {
      return language === 'sh' && !code.includes('docker')
    })
    expect(blocks.length).toBeGreaterThan(4)
    const out = await machine.sh(blocks.map(({ code }) => code).join('\n'))
    // By name and by alias, and through loopback; the last is what `cnm sandbox rm` says.
    expect(out.match(/^shop$/gm)).toHaveLength(2)
    expect(out.match(/^pod1$/gm)).toHaveLength(2)
    expect(await machine.names('sandbox')).toEqual([])
    expect(await machine.names('network')).toEqual(['host', 'none'])
  })

  it('get what attaches them by a command', async () => {
    await using machine = await OciMachine.start()
    await machine.bundle('shop', 'runc')
    const config = 'shop/config.json'
    await machine.sh(`sed -i 's/"hard": 1024/"hard": 18446744073709551615/' ${config}`)
    const read = () => machine.sh(`cat ${config}`)
    const before = await read()
    const command = 'CNM_HOST=other.sock cnm oci-spec --network web --ip 10.7.0.9 shop'
    const printed = await machine.sh(`${command} --stdout`)
    expect(await read()).toBe(before)
    await machine.sh(command)
    expect(await read()).toBe(printed)
    await machine.sh(command)
    expect(await read()).toBe(printed)
    expect(printed).toContain('"hard": 18446744073709551615')
    const { annotations, hooks } = JSON.parse(printed)
    expect(annotations).toEqual({ 'cnm.network': 'web', 'cnm.ip': '10.7.0.9' })
    const args = ['cnm', main, 'oci-hook', '--host', `${machine.folder}/other.sock`]
    expect(hooks.createRuntime).toEqual([{ path: process.execPath, args, timeout: 30 }])
    // Refusals change nothing.
    const refusal = async (options: string) => {
      const { code, stderr } = await machine.try(`cnm oci-spec ${options}`)
      expect(code).toBe(2)
      return stderr
    }
    expect(await refusal('--network a,b shop')).toContain(
      '"a,b" can\'t be in a list of cnm.network',
    )
    expect(await refusal('--network web none')).toContain("none/config.json can't be read")
    expect(await read()).toBe(printed)
    await machine.edit('shop', ({ linux }) => {
      linux.namespaces.find(({ type }) => type === 'network')!.path = '/run/netns/blue'
    })
    const blue = await read()
    expect(await refusal('--network web shop')).toContain(
      'uses the network namespace /run/netns/blue',
    )
    expect(await read()).toBe(blue)
  })

  it('are let alone as far as they are to be', async () => {
    await using machine = await OciMachine.start()
    await machine.daemon()
    const names = ['mounted', 'bare', 'foreign', 'lost']
    for (const name of names) await machine.bundle(name, 'runc')
    // What the bundle mounts itself stays.
    await machine.sh('echo 10.9.9.9 own >hosts')
    const hosts = { destination: '/etc/hosts', type: 'bind', options: ['bind'] }
    const source = join(machine.folder, 'hosts')
    await machine.edit('mounted', ({ mounts }) => mounts.push({ ...hosts, source }))
    await machine.sh('cnm oci-spec mounted; cnm oci-spec --no-mount-etc bare; cnm oci-spec foreign')
    await machine.edit('foreign', (config) => Object.assign(config, { annotations: { a: 'b' } }))
    for (const name of ['mounted', 'bare', 'foreign']) await machine.run(name, 'runc')
    const etc = 'runc exec mounted cat /etc/hosts /etc/hostname'
    expect(await machine.sh(etc)).toBe('10.9.9.9 own\nrunc\n')
    expect(await machine.sh('ls -A bare/rootfs')).not.toContain('etc')
    expect(await machine.names('sandbox')).toEqual(['bare', 'mounted'])
    // It names a sandbox, and has a network namespace of its own.
    await machine.sh('cnm sandbox create pod1; cnm oci-spec lost')
    const annotations = { 'cnm.sandbox': 'pod1' }
    await machine.edit('lost', (config) => Object.assign(config, { annotations }))
    const { code, stderr } = await machine.try('runc create --bundle lost lost')
    expect(code).not.toBe(0)
    expect(stderr).toContain('container lost is not in sandbox')
    expect(await machine.names('sandbox')).toEqual(['bare', 'mounted', 'pod1'])
    // At its end nobody is asked for one that isn't ours: here that can't be done.
    const end = (annotations: object) => {
      const state = JSON.stringify({ id: 'c', status: 'stopped', bundle: '/b', annotations })
      return machine.try(`(echo '${state}' | cnm oci-hook --host ${'x'.repeat(200)})`)
    }
    expect((await end({ a: 'b' })).code).toBe(0)
    expect((await end({ 'cnm.network': 'web' })).code).toBe(2)
  })

  it.skipIf(!hasDocker)('reach those of Docker on one network', async () => {
    await using machine = await OciMachine.start()
    await machine.docker()
    await machine.bundle('shop', 'runc', 'httpd -f -h /etc')
    await machine.sh('cnm oci-spec --network web --hostname shop shop')
    await machine.run('shop', 'runc')
    const options = '--name db --hostname db --network none --dns 127.0.0.11'
    await machine.sh(`docker run --detach ${options} busybox httpd -f -h /etc`)
    const pid = await machine.sh("docker inspect --format '{{.State.Pid}}' db")
    await machine.sh(`cnm sandbox create --pid ${pid.trim()} --network web db`)
    const ask = 'wget -q -O -'
    const fetched = [
      await machine.sh(`runc exec shop ${ask} http://db/hostname`),
      await machine.sh(`docker exec db ${ask} http://shop/hostname`),
    ]
    expect(fetched).toEqual(['db\n', 'shop\n'])
    const endpoints = await machine.json<{ name: string; ipv4: string }[]>('cnm endpoint ls --json')
    const at = (name: string) => endpoints.find((each) => each.name === name)!.ipv4
    expect(await machine.sh(`runc exec shop ${ask} http://${at('db')}/hostname`)).toBe('db\n')
    expect(await machine.sh(`docker exec db ${ask} http://${at('shop')}/hostname`)).toBe('shop\n')
    await machine.sh('docker rm --force db')
    await expect.poll(() => machine.names('sandbox')).toEqual(['shop'])
  })

  it.skipIf(!hasDocker)('are on a network of Docker itself', { timeout: 180_000 }, async () => {
    await using machine = await OciMachine.start()
    await machine.docker()
    await machine.sh('mkdir -p /run/docker/plugins')
    await machine.daemon()
    const network = '-d cnm --ipam-driver cnm --subnet 10.9.0.0/24 shared'
    const id = (await machine.sh(`docker network create ${network}`)).trim()
    const container = (name: string, options: string) =>
      machine.sh(`docker run --detach --name ${name} --hostname ${name} --network shared \
        ${options} busybox httpd -f -h /etc`)
    await container('db', '--ip 10.9.0.60 --add-host shop2:10.9.0.50')
    await machine.bundle('shop', 'runc', 'httpd -f -h /etc')
    const known = '--ip 10.9.0.50 --add-host db2:10.9.0.60'
    await machine.sh(`cnm oci-spec --network ${id} --hostname shop ${known} shop`)
    await machine.run('shop', 'runc')
    const fromShop = (at: string) =>
      machine.try(`runc exec shop wget -q -O - http://${at}/hostname`)
    const fromDb = (at: string) => machine.try(`docker exec db wget -q -O - http://${at}/hostname`)
    // By address, and by what their own files say of it.
    for (const at of ['10.9.0.60', 'db2']) {
      expect(await fromShop(at)).toMatchObject({ code: 0, stdout: 'db\n' })
    }
    for (const at of ['10.9.0.50', 'shop2']) {
      expect(await fromDb(at)).toMatchObject({ code: 0, stdout: 'shop\n' })
    }
    // Neither resolver knows the other's names.
    expect((await fromShop('db')).stderr).toContain('bad address')
    expect((await fromDb('shop')).stderr).toContain('bad address')
    // It stays for who is still on it, and Docker has no part in it any more.
    await machine.sh('docker rm --force db; docker network rm shared')
    expect(await machine.names('network')).toEqual([`docker-${id.slice(0, 12)}`, 'host', 'none'])
    await machine.sh(`runc delete --force shop; cnm network rm docker-${id.slice(0, 12)}`)
    expect(await machine.names('network')).toEqual(['host', 'none'])
    expect(await machine.sh('cnm doctor --json')).toBe('')
  })

  describe.each<Runtime>(['runc', 'crun'])('of %s', (runtime) => {
    it('are on their networks, and gone at their end', async () => {
      await using machine = await OciMachine.start()
      await machine.bundle('shop', runtime, 'httpd -f -h /etc')
      await machine.bundle('client', runtime)
      await machine.daemon()
      await machine.sh('cnm network create --subnet 10.7.0.0/24 web')
      const options = '--ip 10.7.0.9 --mac-address 02:42:0a:07:00:99 --alias store -p 8080:80'
      await machine.sh(`cnm oci-spec --network web --hostname shop1 ${options} shop`)
      await machine.sh('cnm oci-spec --network web --network db --hostname c1 client')
      await machine.run('shop', runtime)
      await machine.run('client', runtime)
      // Its names, from inside: that of the sandbox, the hostname and the alias.
      const inside = (command: string) => machine.sh(`${runtime} exec client ${command}`)
      for (const name of ['shop', 'shop1', 'store', '10.7.0.9']) {
        expect(await inside(`wget -q -O - http://${name}/hostname`)).toBe('shop1\n')
      }
      expect(await inside('cat /etc/hosts')).toMatch(/^10\..*\tc1$/m)
      expect(await inside('cat /etc/resolv.conf')).toContain('nameserver 127.0.0.11\n')
      const shopPid = await machine.pidOf('shop', runtime)
      const links = await machine.json<{ ifname: string; address: string }[]>(
        `nsenter --net=/proc/${shopPid}/ns/net ip -j link`,
      )
      expect(links).toMatchObject([{ ifname: 'lo' }, { address: '02:42:0a:07:00:99' }])
      // From the host, by the port.
      expect(await machine.sh('busybox wget -q -O - http://127.0.0.1:8080/hostname')).toBe(
        'shop1\n',
      )
      expect(await machine.names('sandbox')).toEqual(['client', 'shop'])
      expect(await machine.names('network')).toEqual(['db', 'host', 'none', 'web'])
      await machine.sh(`${runtime} delete --force shop; ${runtime} delete --force client`)
      expect(await machine.names('sandbox')).toEqual([])
      expect(await machine.names('endpoint')).toEqual([])
      expect(await machine.names('network')).toEqual(['host', 'none', 'web'])
      expect((await machine.try('busybox wget http://127.0.0.1:8080/')).code).not.toBe(0)
    })

    it('are collected when they die, also without a daemon', async () => {
      await using machine = await OciMachine.start()
      await machine.bundle('shop', runtime)
      await machine.sh('cp -r shop client; cnm oci-spec shop; cnm oci-spec -p 8080:80 client')
      // No daemon is there before the first, and nobody calls the runtime when they end.
      await machine.run('shop', runtime)
      await machine.run('client', runtime)
      expect(await machine.names('sandbox')).toEqual(['client', 'shop'])
      await machine.sh(`kill -KILL ${await machine.pidOf('shop', runtime)}`)
      const left = () => machine.names('sandbox')
      await expect.poll(left).toEqual(['client'])
      const { daemon } = await machine.json<{ daemon: { pid: number } }>('cnm version --json')
      await machine.sh(`kill -KILL ${daemon.pid} ${await machine.pidOf('client', runtime)}`)
      await machine.daemon()
      await expect.poll(left).toEqual([])
      expect(await machine.names('endpoint')).toEqual([])
      // The end that the runtime hears of later is none of ours any more.
      await machine.sh(`${runtime} delete --force shop; ${runtime} delete --force client`)
      expect(await machine.sh('cnm doctor --json')).toBe('')
    })

    it('mount on their files what nobody else sees', async () => {
      await using machine = await OciMachine.start()
      await machine.daemon()
      await machine.bundle('shop', runtime)
      await machine.edit('shop', ({ root, process: { capabilities } }) => {
        root.readonly = false
        for (const each of Object.values(capabilities)) each.push('CAP_SYS_ADMIN')
      })
      await machine.sh('cnm oci-spec --network web shop')
      await machine.run('shop', runtime)
      const inside = (command: string) => machine.sh(`${runtime} exec shop ${command}`)
      await inside("sh -c 'echo 10.9.9.9 own >>/etc/hosts'")
      await inside('mount -o bind /bin/busybox /etc/resolv.conf')
      expect(await inside('cat /proc/self/mountinfo')).toContain('/bin/busybox /etc/resolv.conf')
      expect(await machine.sh('cat /proc/self/mountinfo')).not.toContain('resolv.conf')
      await machine.sh(`${runtime} delete --force shop`)
      expect(await machine.names('sandbox')).toEqual([])
      expect(await machine.sh('cnm doctor --json')).toBe('')
    })

    it('write to none of their files if they may write nowhere', async () => {
      await using machine = await OciMachine.start()
      await machine.bundle('shop', runtime)
      await machine.edit('shop', ({ root }) => {
        root.readonly = true
      })
      await machine.sh('cnm oci-spec --network web shop')
      await machine.run('shop', runtime)
      const { code, stderr } = await machine.try(
        `${runtime} exec shop sh -c 'echo 10.9.9.9 own >>/etc/hosts'`,
      )
      expect(code).not.toBe(0)
      expect(stderr).toContain('Read-only file system')
    })

    it('are not created if they can not be attached, and nothing is left', async () => {
      await using machine = await OciMachine.start()
      await machine.daemon()
      await machine.bundle('shop', runtime)
      await machine.sh('cnm oci-spec --network web shop')
      const refusals: [change: Record<string, string>, message: string][] = [
        [{ 'cnm.port': '80' }, 'there is no annotation cnm.port'],
        [{ 'cnm.ip': '203.0.113.1' }, '203.0.113.1 is outside'],
        [{ 'cnm.network': 'host' }, 'host'],
        [{ 'cnm.sandbox': 'pod1', 'cnm.network': '' }, 'there is no sandbox'],
      ]
      await machine.edit('shop', (config) => config.mounts.push(occupied))
      refusals.push([{}, "/etc/hostname can't be used"])
      for (const [change, message] of refusals) {
        await machine.sh('cp shop/config.json before')
        await machine.edit('shop', ({ annotations }) => Object.assign(annotations, change))
        const { code, stderr } = await machine.try(`${runtime} create --bundle shop shop`)
        expect(stderr).toContain(message)
        expect(code).not.toBe(0)
        await machine.sh('mv before shop/config.json')
      }
      // Nor if it is attached, and somebody else's hook refuses it afterwards.
      await machine.edit('shop', ({ hooks, mounts }) => {
        mounts.pop()
        hooks.createRuntime!.push({ path: '/bin/false' })
      })
      expect((await machine.try(`${runtime} create --bundle shop shop`)).code).not.toBe(0)
      await expect.poll(() => machine.names('sandbox')).toEqual([])
      expect(await machine.sh(`${runtime} list -q`)).toBe('')
      expect(await machine.names('sandbox')).toEqual([])
      expect(await machine.names('network')).toEqual(['host', 'none'])
    })
  })
})

/** Nothing can be seen in its place: it is a folder of a file system that can't be written. */
const occupied = { destination: '/etc/hostname/x', type: 'tmpfs', source: 'tmpfs', options: ['ro'] }
