// What the package gives.
export { createSessions, type Sessions } from './sessions.js';
export { SessionsRequestError } from './request.js';
export { keptDeviceId } from './device.js';
export type { SessionsOptions, TokenRequest } from './options.js';
export type { EndReason, LocalCode, SessionsState, Status } from './state.js';
export type { SessionsEvents } from './events.js';
export type { ClientEvents, ServerEvents, SessionsSocket } from './socket.js';
export type * from './wire.js';
