"""The `sessions` namespace on python-socketio, uvicorn and uvloop."""

import os
from datetime import datetime, timezone

import jwt
import socketio
import uvicorn

from sessions import Sessions

SECRET = os.environ['SECRET']
NAMESPACE = '/sessions'
MAX_PAYLOAD = 100_000

sessions = Sessions()
sio = socketio.AsyncServer(
    async_mode='asgi',
    cors_allowed_origins='*',
    ping_interval=25,
    ping_timeout=20,
    max_http_buffer_size=MAX_PAYLOAD,
    http_compression=False,
    # CONNECT is answered before the handler runs, so that what it emits comes after that.
    always_connect=True,
)


class Refusal(Exception):
    """Why a client is not let in: the code, and a sentence."""


@sio.on('connect', namespace=NAMESPACE)
async def connect(sid, environ, auth):
    auth = auth if isinstance(auth, dict) else {}
    try:
        user = judge(auth.get('token'))
    except Refusal as refusal:
        code, message = refusal.args
        await sio.emit('sessions:error', {'code': code, 'message': message}, to=sid, namespace=NAMESPACE)
        await sio.disconnect(sid, namespace=NAMESPACE)
        return
    await sio.enter_room(sid, user, namespace=NAMESPACE)
    sessions.add(user, describe(sid, environ, auth))
    found = sessions.of(user)
    await sio.emit('sessions:ready', {'socketId': sid, 'sessions': found}, to=sid, namespace=NAMESPACE)
    await sio.emit('sessions:update', found, to=user, namespace=NAMESPACE)


@sio.on('disconnect', namespace=NAMESPACE)
async def disconnect(sid, reason):
    user = sessions.remove(sid)
    if user is not None:
        await sio.emit('sessions:update', sessions.of(user), to=user, namespace=NAMESPACE)


@sio.on('sessions:send', namespace=NAMESPACE)
async def send(sid, request):
    user = sessions.owner(sid)
    if user is None:
        return {'ok': False, 'code': 'forbidden', 'message': 'The session was refused.'}
    to, event = (request.get('to'), request.get('event')) if isinstance(request, dict) else (None, None)
    if not isinstance(to, str) or not isinstance(event, str):
        return {'ok': False, 'code': 'payload_invalid', 'message': 'to and event must be strings.'}
    ids = [session['socketId'] for session in sessions.of(user)]
    receivers = [id for id in ids if to == 'all' or (id != sid if to == 'others' else id == to)]
    if not receivers and to != 'others':
        return {'ok': False, 'code': 'session_not_found', 'message': 'There is no such session.'}
    if receivers:
        message = {'from': sid, 'event': event, 'data': request.get('data'), 'sentAt': now()}
        await sio.emit('sessions:message', message, to=receivers, namespace=NAMESPACE)
    return {'ok': True, 'delivered': len(receivers)}


def judge(token):
    """The user of a token."""
    if token is None or token == '':
        raise Refusal('token_missing', 'A token is needed.')
    try:
        claims = jwt.decode(token, SECRET, algorithms=['HS256'], leeway=30, options={'require': ['exp', 'sub']})
    except jwt.ExpiredSignatureError:
        raise Refusal('token_expired', 'The token has expired.') from None
    except jwt.InvalidTokenError:
        raise Refusal('token_invalid', 'The token is not valid.') from None
    return claims['sub']


def describe(sid, environ, auth):
    """A session, as its user's clients see it."""
    client = environ['asgi.scope'].get('client') or ('',)
    metadata = {'ip': client[0], 'userAgent': environ.get('HTTP_USER_AGENT', '')}
    context = auth.get('context')
    if isinstance(context, str) and context:
        metadata['context'] = context
    return {'socketId': sid, 'connectedAt': now(), 'metadata': metadata}


def now():
    """ISO 8601, UTC, milliseconds."""
    return datetime.now(timezone.utc).isoformat(timespec='milliseconds').replace('+00:00', 'Z')


class Server(uvicorn.Server):
    """One that says when it listens."""

    async def startup(self, sockets=None):
        await super().startup(sockets=sockets)
        print('listening', flush=True)


if __name__ == '__main__':
    config = uvicorn.Config(
        socketio.ASGIApp(sio),
        host='127.0.0.1',
        port=int(os.environ['PORT']),
        loop='uvloop',
        http='httptools',
        # Measured per connect: 1.39 ms, wsproto 1.71, the older `websockets` 1.97.
        ws='websockets-sansio',
        ws_max_size=MAX_PAYLOAD,
        ws_per_message_deflate=False,
        # Engine.IO has pings of its own.
        ws_ping_interval=None,
        backlog=1024,
        lifespan='off',
        access_log=False,
        log_level='critical',
        timeout_graceful_shutdown=1,
    )
    Server(config).run()
