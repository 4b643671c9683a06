// The `sessions` namespace on socket.io with Bun's engine.
import { Server as Engine } from '@socket.io/bun-engine';
import jwt from 'jsonwebtoken';
import { Server } from 'socket.io';
import { Sessions } from './sessions.js';

const { PORT, SECRET } = process.env;

const engine = new Engine({
  path: '/socket.io/',
  pingInterval: 25_000,
  pingTimeout: 20_000,
  maxHttpBufferSize: 100_000,
});
// The engine leaves out where a connection comes from. Bun knows it of a request until that becomes a WebSocket, and
// then of the WebSocket: see `addressOf`.
engine.on('connection', (connection, request, server) => {
  connection.remoteAddress = server.requestIP(request)?.address ?? '';
});
const io = new Server();
io.bind(engine);
const namespace = io.of('/sessions');
const sessions = new Sessions();

namespace.on('connection', (socket) => {
  const { user, refusal } = judge(socket.handshake.auth);
  if (refusal) {
    socket.emit('sessions:error', refusal);
    socket.disconnect();
    return;
  }
  socket.join(user);
  sessions.add(user, describe(socket));
  const list = sessions.list(user);
  socket.emit('sessions:ready', { socketId: socket.id, sessions: list });
  namespace.to(user).emit('sessions:update', list);

  socket.on('sessions:send', (request, acknowledge) => acknowledge?.(send(user, socket, request)));
  socket.on('disconnect', () => {
    sessions.remove(user, socket.id);
    namespace.to(user).emit('sessions:update', sessions.list(user));
  });
});

/** Who a client is, or why it is not let in. */
function judge({ token }) {
  if (token === undefined || token === null || token === '') {
    return { refusal: { code: 'token_missing', message: 'A token is needed.' } };
  }
  try {
    const { sub, exp } = jwt.verify(token, SECRET, { algorithms: ['HS256'], clockTolerance: 30 });
    if (typeof sub === 'string' && sub !== '' && exp !== undefined) return { user: sub };
  } catch (error) {
    if (error instanceof jwt.TokenExpiredError) {
      return { refusal: { code: 'token_expired', message: 'The token has expired.' } };
    }
  }
  return { refusal: { code: 'token_invalid', message: 'The token is not valid.' } };
}

function describe(socket) {
  const { auth, headers } = socket.handshake;
  const metadata = { ip: addressOf(socket).replace(/^::ffff:/, ''), userAgent: headers['user-agent'] ?? '' };
  if (typeof auth.context === 'string' && auth.context !== '') metadata.context = auth.context;
  return { socketId: socket.id, connectedAt: new Date().toISOString(), metadata };
}

function addressOf({ conn, handshake }) {
  return conn.transport.socket?.remoteAddress ?? handshake.address;
}

/** Relays to the user's own sessions; gives the acknowledgement. */
function send(user, socket, request) {
  const { to, event, data } = request ?? {};
  if (typeof to !== 'string' || typeof event !== 'string') {
    return { ok: false, code: 'payload_invalid', message: 'to and event must be strings.' };
  }
  const ids = sessions.list(user).map((session) => session.socketId);
  const receivers = ids.filter((id) => to === 'all' || (to === 'others' ? id !== socket.id : id === to));
  if (receivers.length === 0 && to !== 'others') {
    return { ok: false, code: 'session_not_found', message: 'There is no such session.' };
  }
  if (receivers.length > 0) {
    const message = { from: socket.id, event, data, sentAt: new Date().toISOString() };
    namespace.to(receivers).emit('sessions:message', message);
  }
  return { ok: true, delivered: receivers.length };
}

Bun.serve({ hostname: '127.0.0.1', port: Number(PORT), ...engine.handler() });
console.log('listening');
