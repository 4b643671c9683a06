"""Who is there."""


class Sessions:
    """The sessions of all users."""

    def __init__(self):
        self._users = {}  # by user, then by socket id
        self._owners = {}  # users by socket id

    def add(self, user, session):
        self._owners[session['socketId']] = user
        self._users.setdefault(user, {})[session['socketId']] = session

    def remove(self, sid):
        """Gives the user of the one that is gone, if it was there."""
        user = self._owners.pop(sid, None)
        if user is not None:
            del self._users[user][sid]
            if not self._users[user]:
                del self._users[user]
        return user

    def of(self, user):
        """Those of one user, in the order in which they came."""
        found = self._users.get(user, {}).values()
        return sorted(found, key=lambda session: (session['connectedAt'], session['socketId']))

    def owner(self, sid):
        return self._owners.get(sid)
