/** One connection, as its user's clients see it. */
export interface Session {
  socketId: string;
  connectedAt: string;
  metadata: { ip: string; userAgent: string; context?: string };
}

/** What a client sends to its user's other sessions. */
export interface SendRequest {
  /** A socket id, `others` or `all`. */
  to: string;
  event: string;
  data: unknown;
}

/** Why a client is not let in. */
export class Refusal extends Error {
  constructor(
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}
