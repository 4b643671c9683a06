// Does what a button asks for, and says how it went in one line that screen readers read out.
import { SessionsRequestError } from '@rollcall/client';
import { useState } from 'preact/hooks';

/** Runs `work`; `done` is what to say when it is done, or makes that of the answer. Resolves with whether it was done. */
export type Act = <T>(done: string | ((answer: T) => string), work: () => Promise<T>) => Promise<boolean>;

export function useAct(): { act: Act; said: string } {
  const [said, setSaid] = useState('');
  const act: Act = async (done, work) => {
    setSaid('');
    try {
      const answer = await work();
      setSaid(`${typeof done === 'string' ? done : done(answer)}.`);
      return true;
    } catch (error) {
      setSaid(words(error));
      return false;
    }
  };
  return { act, said };
}

function words(error: unknown): string {
  if (!(error instanceof SessionsRequestError)) throw error;
  switch (error.code) {
    case 'session_not_found':
      return 'It has gone already. To be sure, sign out all other devices.';
    case 'rate_limited':
      return 'Too many at once. Try again in a moment.';
    case 'payload_invalid':
      return error.field === 'label' ? 'This name has characters that are not allowed, or is too long.' : error.message;
    default:
      return error.message;
  }
}
