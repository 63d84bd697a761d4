/** A network namespace, as plain data. It is opened when it is needed and closed at once. */
export interface NamespaceRef {
  /** An absolute path that can be opened: `RUN/netns/<id>`, `/proc/<pid>/ns/net`, any bind mount. */
  readonly path: string
  /**
   * The kernel's own name of this namespace (SO_NETNS_COOKIE, decimal), checked at every opening.
   * Given for adopted namespaces, whose path may come to mean another one. Absent for our own, whose
   * path is never used twice.
   */
  readonly cookie?: string
}
