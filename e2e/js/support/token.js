// Signs HS256 tokens as any holder of the shared secret would. Knows nothing of the gateway.
import { createHmac, randomUUID } from 'node:crypto';
import { SECRET } from './server.js';

/** A user id that no other test uses. */
export function newUser() {
  return `user-${randomUUID()}`;
}

/** A signed token (RFC 7519, compact) of `claims`, with `exp` in an hour unless given, in seconds. */
export function sign(claims, secret = SECRET) {
  const payload = { exp: nowSeconds() + 3600, ...claims };
  const signed = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode(payload)}`;
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
}

/** A good token of `user`. */
export function tokenOf(user) {
  return sign({ sub: user });
}

/** A token of `user` that ended well before any leeway. */
export function expiredTokenOf(user) {
  return sign({ sub: user, exp: nowSeconds() - 3600 });
}

/** A token of `user` signed with another secret. */
export function forgedTokenOf(user) {
  return sign({ sub: user }, 'another-secret-of-forty-bytes-not-shared');
}

export function nowSeconds() {
  return Math.floor(Date.now() / 1000);
}

function encode(value) {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}
