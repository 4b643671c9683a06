// Signed in or not: the form, or the devices of who is signed in.
import { createSessions, keptDeviceId, type Sessions } from '@rollcall/client';
import { useEffect, useState } from 'preact/hooks';
import { accessToken, onAccountChange, signOut, signedInAs, wasEnded } from './account/account.js';
import { SignIn } from './account/sign_in.js';
import { Devices } from './devices/devices.js';
import { trackActivity } from './devices/activity.js';
import { SOCKET_PATH } from './page.js';

export function App() {
  const email = useAccount();
  const sessions = useConnection(email);

  if (!email || !sessions)
    return <SignIn note={wasEnded() ? 'You have been signed out. Sign in to go on.' : undefined} />;
  return (
    <>
      <header class="top">
        <p class="brand">Rollcall</p>
        <p class="who">
          <span class="email">
            <bdi>{email}</bdi>
          </span>
          <button type="button" onClick={() => void signOut()}>
            Sign out
          </button>
        </p>
      </header>
      <Devices sessions={sessions} />
    </>
  );
}

function useAccount(): string | undefined {
  const [email, setEmail] = useState(signedInAs);
  useEffect(() => onAccountChange(() => setEmail(signedInAs())), []);
  return email;
}

/** One connection for as long as the same account is signed in. */
function useConnection(email: string | undefined): Sessions | undefined {
  const [connection, setConnection] = useState<{ email: string; sessions: Sessions }>();
  useEffect(() => {
    if (!email) return;
    const sessions = createSessions({
      url: location.origin,
      getToken: ({ reason }) => accessToken(reason !== 'connect'),
      deviceId: keptDeviceId(),
      context: 'devices page',
      socket: { path: SOCKET_PATH, transports: ['websocket', 'polling'], tryAllTransports: true },
    });
    const leave = trackActivity(sessions);
    // Was the login ended, or this tab only? Who asks for a token learns it, and forgets the account if need be.
    sessions.on('end', ({ code }) => {
      if (code === 'session_revoked') accessToken(true).catch(() => {});
    });
    setConnection({ email, sessions });
    return () => {
      leave();
      sessions.close();
      setConnection(undefined);
    };
  }, [email]);
  return connection?.email === email ? connection?.sessions : undefined;
}
