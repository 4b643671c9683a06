// One user's live sessions: keeps a connection, its token and the list. What the server says goes into the state and
// the events; what the application asks for goes out as requests. When to come back is decided by `rules`.
import { io } from 'socket.io-client';
import { Emitter, type SessionsEvents } from './events.js';
import type { SessionsOptions, TokenRequest } from './options.js';
import { SessionsRequestError, ask } from './request.js';
import { afterEnd, pause } from './rules.js';
import type { SessionsSocket } from './socket.js';
import { NOTHING, Store, type EndReason, type SessionsState } from './state.js';
import { within } from './telling.js';
import { onWake } from './wake.js';
import type * as wire from './wire.js';

/** How long `getToken` may take, in milliseconds. */
const TOKEN_MS = 30_000;
/** From the open transport to `ready`: the server may have to fetch an issuer's keys first, which it does for 6 s. */
const READY_MS = 20_000;
/** A connection that lasted this long was a good one: the next pause is a short one again. */
const STEADY_MS = 5_000;
/** The server says so a minute before the end; a page that slept through that asks by itself. */
const EXPIRES_SOON_MS = 30_000;

/** Connects unless told otherwise. `close()` it when it is not needed any more. */
export function createSessions(options: SessionsOptions): Sessions {
  const sessions = new Sessions(options);
  if (options.autoConnect !== false) sessions.connect();
  return sessions;
}

/** Made by {@link createSessions}. */
export class Sessions {
  /** The stock socket below, for what is not here. Do not connect or close it. */
  readonly socket: SessionsSocket;
  readonly #options: SessionsOptions;
  readonly #store = new Store();
  readonly #events = new Emitter();
  /** Goes up with each try and each end, so that what was awaited for an older one is dropped. */
  #turn = 0;
  /** Whether a try is under way or a connection is there. */
  #open = false;
  /** Tries that failed one after the other. */
  #failures = 0;
  /** The one thing that is waited for: the next try, the answer to this one, or the next attempt to renew the token. */
  #timer: ReturnType<typeof setTimeout> | undefined;
  #next: TokenRequest | undefined;
  #renewing = false;
  #token: string | undefined;
  #refused: string | undefined;
  #said: wire.SessionsError | undefined;
  #readyAt = 0;
  /** The socket that the server may take for dead only later: the next connection takes its place. */
  #last: string | undefined;
  #activity: wire.SessionActivity | undefined;
  #forgetWake: (() => void) | undefined;

  constructor(options: SessionsOptions) {
    this.#options = options;
    this.socket = io(`${options.url.replace(/\/+$/, '')}/sessions`, {
      forceNew: true,
      ...options.socket,
      // When to come back depends on why it ended, which socket.io-client does not look at.
      reconnection: false,
      autoConnect: false,
      auth: (give) => give(this.#auth()),
    });
    this.#listen();
  }

  /** All that is known now; the same object until something changes. */
  get state(): SessionsState {
    return this.#store.state;
  }

  /** The same as a function, bound, for stores. */
  readonly getState = (): SessionsState => this.#store.state;

  /** Calls `listener` after each change of the state, until the function that is returned is called. Bound. */
  readonly subscribe = (listener: () => void): (() => void) => this.#store.subscribe(listener);

  /** Calls `listener` with each event `name`, until the function that is returned is called. */
  on<Name extends keyof SessionsEvents>(name: Name, listener: (payload: SessionsEvents[Name]) => void): () => void {
    return this.#events.on(name, listener);
  }

  /** Begins, or begins anew after the end; while it waits for the next try, that begins now. */
  connect(): void {
    if (this.#open) return;
    this.#forgetWake ??= onWake(() => this.#wake());
    if (this.state.status === 'reconnecting') return void this.#try(this.#next);
    this.#failures = 0;
    this.#store.change({ status: 'connecting', error: undefined });
    void this.#try();
  }

  /** Leaves. The list is forgotten. */
  close(): void {
    this.#drop();
    this.#forgetWake?.();
    this.#forgetWake = undefined;
    this.#last = undefined;
    this.#store.change(NOTHING);
  }

  /** Asks for the list; it is in the state too, always. */
  list() {
    return ask(this.socket, 'sessions:list', {});
  }

  /** Names this device, at most 256 characters; an empty text takes the name away. */
  async rename(label: string): Promise<void> {
    await ask(this.socket, 'sessions:rename', { label });
  }

  /** Says what the user does with this client, and says it again after each reconnect. */
  async setActivity(state: wire.SessionActivity): Promise<void> {
    this.#activity = state;
    if (this.state.status === 'online') await ask(this.socket, 'sessions:state', { state });
  }

  /** Ends one session, by its id, the logins of all others, or all. */
  revoke(what: wire.RevokeRequest) {
    return ask(this.socket, 'sessions:revoke', what);
  }

  /** Sends to one session of the user, by its id, to `others` or to `all`. `delivered` is no receipt. */
  send(message: wire.SendRequest) {
    return ask(this.socket, 'sessions:send', message);
  }

  /** Gives this connection a new token now. It happens by itself before a token ends. */
  async refresh(): Promise<void> {
    const turn = this.#turn;
    const token = await this.#ask({ reason: 'expiring' });
    if (turn !== this.#turn) return;
    if (!token) return this.#end(SIGNED_OUT);
    if (token === this.#token)
      throw new SessionsRequestError({ code: 'token_expired', message: 'This is the same token.' });
    const { expiresAt } = await ask(this.socket, 'sessions:refresh', { token });
    this.#token = token;
    this.#store.change({ expiresAt });
  }

  #listen() {
    const { socket } = this;
    socket.on('sessions:ready', (ready) => this.#ready(ready));
    socket.on('sessions:update', (sessions, { revision, complete }) =>
      this.#store.change({ sessions, revision, complete }),
    );
    socket.on('sessions:message', (message) => this.#events.emit('message', message));
    socket.on('sessions:new', (notice) => this.#events.emit('new', notice));
    socket.on('sessions:error', (error) => {
      this.#said = error;
    });
    socket.on('sessions:expiring', (notice) => {
      this.#events.emit('expiring', notice);
      void this.#renew();
    });
    socket.on('connect_error', () => this.#over(false));
    socket.on('disconnect', (reason) => this.#over(reason === 'io server disconnect'));
  }

  #auth(): Record<string, unknown> {
    const { context, deviceId } = this.#options;
    return { token: this.#token, context, deviceId, replaces: this.#last } satisfies Partial<
      Record<keyof wire.SessionsAuth, unknown>
    >;
  }

  #ask(request: TokenRequest) {
    return within(
      TOKEN_MS,
      Promise.resolve().then(() => this.#options.getToken(request)),
    );
  }

  async #try(request: TokenRequest = { reason: 'connect' }): Promise<void> {
    const turn = ++this.#turn;
    clearTimeout(this.#timer);
    this.#open = true;
    this.#store.change({ retryAt: undefined });
    const asked = await this.#ask(request).then(
      (token) => ({ token }),
      () => undefined,
    );
    if (turn !== this.#turn) return;
    if (!asked) return this.#again(TOKEN_UNAVAILABLE, request);
    if (!asked.token) return this.#end(SIGNED_OUT);
    if (asked.token === this.#refused) {
      const refused: TokenRequest = { reason: 'refused', error: this.state.error ?? TOKEN_UNAVAILABLE };
      return request.reason === 'refused'
        ? this.#again(this.state.error ?? TOKEN_UNAVAILABLE, refused)
        : this.#try(refused);
    }
    this.#token = asked.token;
    this.#said = undefined;
    this.#readyAt = 0;
    this.#timer = setTimeout(() => this.#over(false), READY_MS);
    this.socket.connect();
  }

  #ready(ready: wire.SessionsReady) {
    clearTimeout(this.#timer);
    this.#readyAt = Date.now();
    const { socketId, sessions, revision, complete, expiresAt } = ready;
    this.#last = socketId;
    this.#store.change({ status: 'online', socketId, sessions, revision, complete, expiresAt, error: undefined });
    this.#events.emit('ready', ready);
    if (this.#activity) this.setActivity(this.#activity).catch(() => {});
  }

  /** A try or a connection has ended. */
  #over(disconnected: boolean) {
    if (!this.#open) return;
    const said = this.#said;
    const error: EndReason = said ?? (disconnected ? DISCONNECTED : CONNECTION_LOST);
    const after = afterEnd(said?.code, disconnected);
    if (after === 'token' || said?.code === 'session_revoked') this.#refused = this.#token;
    if (this.#readyAt && Date.now() - this.#readyAt >= STEADY_MS) this.#failures = 0;
    if (after === 'stay') return this.#end(error);
    this.#again(error, after === 'token' ? { reason: 'refused', error } : { reason: 'connect' }, said?.retryAfterMs);
  }

  #again(error: EndReason, next: TokenRequest, atLeast = 0) {
    this.#drop();
    const { firstPauseMs: first = 1_000, longestPauseMs: longest = 30_000 } = this.#options;
    const wait = Math.max(atLeast, pause(this.#failures++, { first, longest }, Math.random()));
    this.#next = next;
    this.#timer = setTimeout(() => void this.#try(next), wait);
    this.#store.change({ status: 'reconnecting', error, retryAt: Date.now() + wait });
    this.#events.emit('end', error);
  }

  #end(error: EndReason) {
    this.#drop();
    this.#last = undefined;
    this.#store.change({ ...NOTHING, status: 'ended', error });
    this.#events.emit('end', error);
  }

  /** Nothing is under way after this. */
  #drop() {
    this.#turn += 1;
    this.#open = false;
    clearTimeout(this.#timer);
    this.socket.disconnect();
  }

  /** Asks for a longer token until it has one; when none comes the server ends the connection. */
  async #renew(failures = 0): Promise<void> {
    if (this.#renewing) return;
    this.#renewing = true;
    const turn = this.#turn;
    clearTimeout(this.#timer);
    try {
      await this.refresh();
    } catch (error) {
      if (turn !== this.#turn) return;
      if (error instanceof SessionsRequestError && error.code === 'user_mismatch') return this.#becomeAnother();
      const { firstPauseMs: first = 1_000, longestPauseMs: longest = 30_000 } = this.#options;
      this.#timer = setTimeout(
        () => void this.#renew(failures + 1),
        pause(failures, { first, longest }, Math.random()),
      );
    } finally {
      this.#renewing = false;
    }
  }

  /** The application's tokens are somebody else's now: so is the list from here on. */
  #becomeAnother() {
    this.#drop();
    this.#last = undefined;
    this.#store.change({ ...NOTHING, status: 'connecting' });
    void this.#try();
  }

  #wake() {
    const { status, retryAt, error, expiresAt } = this.state;
    if (
      status === 'reconnecting' &&
      retryAt &&
      error &&
      afterEnd(error.code, false) === 'again' &&
      error.code !== 'rate_limited'
    ) {
      void this.#try(this.#next);
    } else if (status === 'online' && expiresAt && Date.parse(expiresAt) - Date.now() < EXPIRES_SOON_MS) {
      void this.#renew();
    }
  }
}

const SIGNED_OUT: EndReason = { code: 'signed_out', message: 'Nobody is signed in.' };
const TOKEN_UNAVAILABLE: EndReason = { code: 'token_unavailable', message: 'No token can be had just now.' };
const CONNECTION_LOST: EndReason = { code: 'connection_lost', message: 'The server cannot be reached.' };
const DISCONNECTED: EndReason = { code: 'disconnected', message: 'The server has ended this connection.' };
