/** What a command says on standard output. */

export function printLine(text: string): void {
  process.stdout.write(`${text}\n`)
}

export function printJson(value: unknown): void {
  printLine(JSON.stringify(value))
}

/** For people, who may read JSON too. */
export function printPretty(value: unknown): void {
  printLine(JSON.stringify(value, undefined, 2))
}

const coloured = process.stdout.isTTY && !process.env.NO_COLOR

export const bold = (text: string) => (coloured ? `\u001b[1m${text}\u001b[0m` : text)
export const dim = (text: string) => (coloured ? `\u001b[2m${text}\u001b[0m` : text)

/** Columns below their headings, two spaces apart, without lines. */
function tableOf(
  headings: readonly string[],
  rows: readonly (readonly string[])[],
): readonly string[] {
  const widths = headings.map((heading, at) =>
    Math.max(heading.length, ...rows.map((row) => row[at]?.length ?? 0)),
  )
  const line = (row: readonly string[]) =>
    widths
      .map((width, at) => (row[at] ?? '').padEnd(width))
      .join('  ')
      .trimEnd()
  return [bold(line(headings)), ...rows.map(line)]
}

export function printTable(
  headings: readonly string[],
  rows: readonly (readonly string[])[],
): void {
  for (const line of tableOf(headings, rows)) printLine(line)
}
