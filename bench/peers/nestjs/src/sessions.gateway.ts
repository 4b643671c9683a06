import { JwtService, TokenExpiredError } from '@nestjs/jwt';
import {
  ConnectedSocket,
  MessageBody,
  OnGatewayConnection,
  OnGatewayDisconnect,
  SubscribeMessage,
  WebSocketGateway,
  WebSocketServer,
} from '@nestjs/websockets';
import { DefaultEventsMap, Namespace, Socket } from 'socket.io';
import { Refusal, SendRequest, Session } from './session';
import { SessionsService } from './sessions.service';

type SessionSocket = Socket<DefaultEventsMap, DefaultEventsMap, DefaultEventsMap, { user?: string }>;

@WebSocketGateway({
  namespace: 'sessions',
  cors: { origin: '*' },
  pingInterval: 25_000,
  pingTimeout: 20_000,
  maxHttpBufferSize: 100_000,
  perMessageDeflate: false,
  httpCompression: false,
  serveClient: false,
})
export class SessionsGateway implements OnGatewayConnection, OnGatewayDisconnect {
  @WebSocketServer()
  private readonly server!: Namespace;

  constructor(
    private readonly jwt: JwtService,
    private readonly sessions: SessionsService,
  ) {}

  async handleConnection(client: SessionSocket): Promise<void> {
    try {
      const user = this.userOf(client);
      client.data.user = user;
      await client.join(user);
      this.sessions.add(user, sessionOf(client));
      const sessions = this.sessions.list(user);
      client.emit('sessions:ready', { socketId: client.id, sessions });
      this.server.to(user).emit('sessions:update', sessions);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      client.emit('sessions:error', { code: error.code, message: error.message });
      client.disconnect();
    }
  }

  handleDisconnect(client: SessionSocket): void {
    const { user } = client.data;
    if (user === undefined) return;
    this.sessions.remove(user, client.id);
    this.server.to(user).emit('sessions:update', this.sessions.list(user));
  }

  @SubscribeMessage('sessions:send')
  send(@ConnectedSocket() client: SessionSocket, @MessageBody() request: SendRequest): unknown {
    const { user } = client.data;
    if (user === undefined) return { ok: false, code: 'forbidden', message: 'The session was refused.' };
    if (typeof request?.to !== 'string' || typeof request.event !== 'string') {
      return { ok: false, code: 'payload_invalid', message: 'to and event must be strings.' };
    }
    const { to, event, data } = request;
    const ids = this.sessions.list(user).map((session) => session.socketId);
    const receivers = ids.filter((id) => to === 'all' || (to === 'others' ? id !== client.id : id === to));
    if (receivers.length === 0 && to !== 'others') {
      return { ok: false, code: 'session_not_found', message: 'There is no such session.' };
    }
    const message = { from: client.id, event, data, sentAt: new Date().toISOString() };
    if (receivers.length > 0) this.server.to(receivers).emit('sessions:message', message);
    return { ok: true, delivered: receivers.length };
  }

  private userOf(client: SessionSocket): string {
    const { token } = client.handshake.auth;
    if (token === undefined || token === null || token === '') {
      throw new Refusal('token_missing', 'A token is needed.');
    }
    try {
      const claims = this.jwt.verify<{ sub?: unknown; exp?: unknown }>(token);
      if (typeof claims.sub === 'string' && claims.sub !== '' && claims.exp !== undefined) return claims.sub;
    } catch (error) {
      if (error instanceof TokenExpiredError) throw new Refusal('token_expired', 'The token has expired.');
    }
    throw new Refusal('token_invalid', 'The token is not valid.');
  }
}

function sessionOf(client: SessionSocket): Session {
  const { address, auth, headers } = client.handshake;
  return {
    socketId: client.id,
    connectedAt: new Date().toISOString(),
    metadata: {
      ip: address.replace(/^::ffff:/, ''),
      userAgent: headers['user-agent'] ?? '',
      ...(typeof auth.context === 'string' && auth.context !== '' ? { context: auth.context } : {}),
    },
  };
}
