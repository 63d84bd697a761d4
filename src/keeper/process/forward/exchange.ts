/** One query on its way to one server. */
export interface Exchange {
  /** Sends it again. */
  send(): void
  /** Closes its socket at once; nothing is told any more. Idempotent. */
  close(): void
}

export interface ExchangeEvents {
  /** Something has come from where the server is. Whether it is an answer has to be seen. */
  onMessage(message: Buffer): void
  /** It can't go on, and is closed. */
  onError(error: Error): void
}
