// The socket of socket.io-client with the events of the namespace as types.
import type { Socket } from 'socket.io-client';
import type * as wire from './wire.js';

/** What the server says. */
export interface ServerEvents {
  'sessions:ready': (ready: wire.SessionsReady) => void;
  'sessions:update': (sessions: wire.SessionItem[], meta: wire.UpdateMeta) => void;
  'sessions:error': (error: wire.SessionsError) => void;
  'sessions:expiring': (notice: wire.SessionsExpiring) => void;
  'sessions:message': (message: wire.SessionsMessage) => void;
  'sessions:new': (notice: wire.SessionsNew) => void;
}

type Answer<T> = (answer: T | wire.AckError) => void;

/** What a client may ask for; every event is acknowledged. */
export interface ClientEvents {
  'sessions:list': (request: Record<string, never>, answer: Answer<wire.ListAck>) => void;
  'sessions:rename': (request: wire.RenameRequest, answer: Answer<wire.DoneAck>) => void;
  'sessions:state': (request: wire.StateRequest, answer: Answer<wire.DoneAck>) => void;
  'sessions:revoke': (request: wire.RevokeRequest, answer: Answer<wire.RevokeAck>) => void;
  'sessions:send': (request: wire.SendRequest, answer: Answer<wire.SendAck>) => void;
  'sessions:refresh': (request: wire.RefreshRequest, answer: Answer<wire.RefreshAck>) => void;
}

/** A stock socket in the namespace `sessions`; for those who want to go without the rest of this package. */
export type SessionsSocket = Socket<ServerEvents, ClientEvents>;
