// The form: sign in, or make an account.
import { useId, useRef, useState } from 'preact/hooks';
import { REGISTRATION } from '../page.js';
import { signIn } from './account.js';
import { Problem } from './api.js';

/** @param note why the form is shown again, if there is a reason */
export function SignIn({ note }: { note?: string | undefined }) {
  const [anew, setAnew] = useState(false);
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string>();
  const email = useRef<HTMLInputElement>(null);
  const password = useRef<HTMLInputElement>(null);
  const id = useId();

  const submit = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    setProblem(undefined);
    try {
      await signIn(email.current!.value.trim(), password.current!.value, anew);
    } catch (error) {
      setProblem(words(error));
      setBusy(false);
      password.current?.focus();
    }
  };

  return (
    <main class="sign-in">
      <h1>{anew ? 'Create an account' : 'Sign in'}</h1>
      <p class="lead">See every device that is signed in as you, as it happens.</p>
      {note && (
        <p class="note" role="status">
          {note}
        </p>
      )}
      <form onSubmit={submit}>
        <label for={`${id}-email`}>E-mail</label>
        <input id={`${id}-email`} ref={email} type="email" autocomplete="username" required maxLength={254} />
        <label for={`${id}-password`}>Password</label>
        <input
          id={`${id}-password`}
          ref={password}
          type="password"
          autocomplete={anew ? 'new-password' : 'current-password'}
          required
          minLength={8}
          maxLength={1024}
          aria-describedby={anew ? `${id}-hint` : undefined}
        />
        {anew && (
          <p id={`${id}-hint`} class="hint">
            At least 8 characters.
          </p>
        )}
        <p class="problem" role="alert">
          {problem}
        </p>
        <button class="primary" type="submit" disabled={busy}>
          {anew ? 'Create account' : 'Sign in'}
        </button>
      </form>
      {REGISTRATION && (
        <p class="switch">
          {anew ? 'You have an account?' : 'No account yet?'}{' '}
          <button
            class="link"
            type="button"
            onClick={() => {
              setAnew(!anew);
              setProblem(undefined);
            }}
          >
            {anew ? 'Sign in' : 'Create one'}
          </button>
        </p>
      )}
    </main>
  );
}

function words(error: unknown): string {
  if (!(error instanceof Problem)) return 'The server cannot be reached. Try again in a moment.';
  const wait = error.retryAfterSeconds;
  switch (error.code) {
    case 'credentials_invalid':
      return 'E-mail or password is wrong.';
    case 'email_taken':
      return 'An account with this e-mail exists already.';
    case 'rate_limited':
      return `Too many tries. Try again in ${wait ?? 60} seconds.`;
    default:
      return error.message;
  }
}
