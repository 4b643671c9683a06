// One event with its acknowledgement, as a promise. Knows no state of the connection.
import type { ClientEvents, SessionsSocket } from './socket.js';
import type { AckError, AckErrorCode } from './wire.js';

/** How long an acknowledgement may take, in milliseconds. */
const ANSWER_MS = 15_000;

/** What was asked for was not done, or nobody can say whether it was. */
export class SessionsRequestError extends Error {
  override readonly name = 'SessionsRequestError';
  /** The server's code; `offline` when there is no connection, `timeout` when no answer came. */
  readonly code: AckErrorCode | 'offline' | 'timeout';
  /** Of `payload_invalid`: the part to blame. */
  readonly field: string | undefined;
  /** Of `rate_limited`: when once more is allowed. */
  readonly retryAfterMs: number | undefined;

  constructor(answer: Omit<AckError, 'ok' | 'code'> & { code: SessionsRequestError['code'] }) {
    super(answer.message);
    this.code = answer.code;
    this.field = answer.field;
    this.retryAfterMs = answer.retryAfterMs;
  }
}

type Request<Name extends keyof ClientEvents> = Parameters<ClientEvents[Name]>[0];
type Ack<Name extends keyof ClientEvents> = Exclude<Parameters<Parameters<ClientEvents[Name]>[1]>[0], AckError>;

/** Emits `name` and resolves with the acknowledgement when it says yes. Rejects with a {@link SessionsRequestError}. */
export async function ask<Name extends keyof ClientEvents>(
  socket: SessionsSocket,
  name: Name,
  request: Request<Name>,
): Promise<Ack<Name>> {
  // socket.io-client would keep it and send it after a reconnect, to a list that may be another by then.
  if (!socket.connected) throw offline();
  // Its types cannot follow a generic event name.
  const loose = socket.timeout(ANSWER_MS) as unknown as {
    emitWithAck(name: string, request: unknown): Promise<unknown>;
  };
  let answer;
  try {
    answer = (await loose.emitWithAck(name, request)) as Ack<Name> | AckError;
  } catch {
    if (!socket.connected) throw offline();
    throw new SessionsRequestError({ code: 'timeout', message: 'The server has not answered in time.' });
  }
  if (!answer.ok) throw new SessionsRequestError(answer);
  return answer;
}

function offline() {
  return new SessionsRequestError({ code: 'offline', message: 'There is no connection just now.' });
}
