/** The kernel's most: IFNAMSIZ without the NUL. */
const longest = 15

/** What the kernel expands (`%d`), reads as something else, or has already. */
const reserved = new Set(['.', '..', 'all', 'default', 'lo'])

/** Whether a link may have that name: in `ip`, in `/proc/sys/net` and in `nft`. */
export function isLinkName(text: string, most = longest): boolean {
  return /^[!-~]+$/.test(text) && text.length <= most && !/[/:%"]/.test(text) && !reserved.has(text)
}

/** The way out, for messages. */
export function linkNameHint(most = longest): string {
  return `give 1 to ${most} ASCII characters without spaces, "/", ":", "%" and quotes; not ${[...reserved].join(', ')}`
}
