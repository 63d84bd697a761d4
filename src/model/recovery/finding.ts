/** One way in which the machine is not as the records say, or doesn't let them come true. */
export interface Finding {
  /**
   * `lost`: something could not be recovered, at the start or now. What can't be mended any more is told until
   * somebody has all mended, and is done with thereby. `blocked`: others'
   * rules stop packets of ours. `shadowed`: a process of the host listens at a published port and
   * doesn't hear what comes in there. `crowded`: a table that all share is nearly full.
   * `limited`: an endpoint, or all of a network's unknown MACs together, begin more flows than
   * they may. `overlap`: the host uses addresses of a
   * network's subnet.
   */
  readonly kind:
    | 'missing'
    | 'different'
    | 'orphan'
    | 'lost'
    | 'blocked'
    | 'shadowed'
    | 'crowded'
    | 'limited'
    | 'overlap'
  /** One sentence, in the words of `ip` and `nft`. */
  readonly detail: string
  readonly mended: boolean
  /** A command that mends what we don't mend ourselves. */
  readonly remedy?: string
}
