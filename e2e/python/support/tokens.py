"""Signs HS256 tokens as any holder of the shared secret would. Knows nothing of the gateway."""
import time
import uuid

import jwt

from support.server import SECRET


def new_user():
    """A user id that no other test uses."""
    return f"user-{uuid.uuid4()}"


def token_of(user, lifetime=3600, secret=SECRET):
    """A token of `user` that ends in `lifetime` seconds; a negative one has ended."""
    return jwt.encode({"sub": user, "exp": int(time.time()) + lifetime}, secret, algorithm="HS256")


def expired_token_of(user):
    return token_of(user, lifetime=-3600)


def forged_token_of(user):
    """A token signed with another secret."""
    return token_of(user, secret="another-secret-of-forty-bytes-not-shared")
