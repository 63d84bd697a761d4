import { portsText } from '../../../address/port.ts'
import type {
  ChainDefinition,
  RateLimit,
  RuleDefinition,
  SetDefinition,
  Statement,
  TableDefinition,
} from '../../ruleset.ts'

/** A table as `nft add …` commands, in the order in which they can be given. */
export function tableLines(table: TableDefinition): readonly string[] {
  const name = `${table.family} ${table.name}`
  const flags = table.owned ? ' { flags owner, persist; }' : ''
  return [
    `nft add table ${name}${flags}`,
    ...table.sets.map((set) => setLine(name, set)),
    ...table.chains.map((chain) => chainLine(name, chain)),
    ...table.chains.flatMap((chain) => chain.rules.map((rule) => ruleLine(name, chain, rule))),
  ]
}

function setLine(table: string, set: SetDefinition): string {
  const { value } = set
  const to = value === undefined ? '' : ` : ${value === 'verdict' ? value : value.join(' . ')}`
  const flags = (['interval', 'timeout', 'dynamic'] as const).filter((flag) => set[flag])
  const properties = [
    `type ${set.key.join(' . ')}${to};`,
    ...(flags.length === 0 ? [] : [`flags ${flags.join(', ')};`]),
    ...(set.timeoutMs === undefined ? [] : [`timeout ${set.timeoutMs}ms;`]),
    ...(set.limit === undefined ? [] : [`${limitText(set.limit)};`]),
    ...(set.comment === undefined ? [] : [`comment ${quote(set.comment)};`]),
  ]
  const kind = value === undefined ? 'set' : 'map'
  return `nft add ${kind} ${table} ${set.name} { ${properties.join(' ')} }`
}

/** `limit rate over 5/second burst 10 packets` */
export function limitText({ rate, burst }: RateLimit): string {
  return `limit rate over ${rate}/second burst ${burst} packets`
}

function chainLine(table: string, { name, hook }: ChainDefinition): string {
  if (hook === undefined) return `nft add chain ${table} ${name}`
  const device = hook.device === undefined ? '' : ` device ${quote(hook.device)}`
  const base = `type ${hook.type} hook ${hook.hook}${device} priority ${hook.priority};`
  const policy = hook.policy === undefined ? '' : ` policy ${hook.policy};`
  return `nft add chain ${table} ${name} { ${base}${policy} }`
}

function ruleLine(table: string, chain: ChainDefinition, rule: RuleDefinition): string {
  const text = rule.statements.map(statementText).join(' ')
  const comment = rule.comment === undefined ? '' : ` comment ${quote(rule.comment)}`
  return `nft add rule ${table} ${chain.name} ${text}${comment}`
}

function statementText(statement: Statement): string {
  if ('match' in statement) {
    const { value } = statement
    const text = typeof value === 'string' ? value : `{ ${value.join(', ')} }`
    return `${statement.match} ${statement.not ? '!= ' : ''}${text}`
  }
  if ('bits' in statement) {
    const { bits, mask, not, value } = statement
    return `${bits} & ${hex(mask ?? value)} ${not ? '!=' : '=='} ${hex(value)}`
  }
  if ('lookup' in statement) {
    return `${statement.lookup.join(' . ')} ${statement.not ? '!= ' : ''}@${statement.set}`
  }
  if ('vmap' in statement) return `${statement.vmap.join(' . ')} vmap @${statement.map}`
  if ('verdict' in statement) return statement.verdict
  if ('jump' in statement) return `jump ${statement.jump}`
  if ('goto' in statement) return `goto ${statement.goto}`
  if ('nat' in statement) {
    const { nat, family, key, map, ports } = statement
    return `${nat} ${family} to ${key.join(' . ')} map @${map}${ports ? `:${portsText(ports)}` : ''}`
  }
  if ('masquerade' in statement) {
    return `masquerade${statement.ports ? ` to :${portsText(statement.ports)}` : ''}`
  }
  if ('reject' in statement) return rejectText(statement.reject)
  if ('log' in statement) return `log prefix ${quote(statement.log)}`
  if ('limit' in statement) return `limit rate ${statement.limit.rate}/${statement.limit.per}`
  if ('update' in statement) {
    const { timeoutMs } = statement
    const timeout = timeoutMs === undefined ? '' : ` timeout ${timeoutMs}ms`
    return `update @${statement.update} { ${statement.key.join(' . ')}${timeout} }`
  }
  if ('setPort' in statement) return `${statement.setPort} set ${statement.value}`
  if ('setMark' in statement) return markText(statement)
  return Object.keys(statement).join(' ')
}

function rejectText(reason: 'tcp reset' | 'port-unreachable' | 'admin-prohibited'): string {
  return reason === 'tcp reset' ? 'reject with tcp reset' : `reject with icmpx ${reason}`
}

function markText({ setMark, value, mask }: Extract<Statement, { setMark: unknown }>): string {
  if (mask === undefined) return `${setMark} set ${hex(value)}`
  return `${setMark} set ${setMark} & ${hex(~mask >>> 0)} | ${hex(value)}`
}

function hex(value: number): string {
  return `0x${value.toString(16)}`
}

function quote(text: string): string {
  return JSON.stringify(text)
}
