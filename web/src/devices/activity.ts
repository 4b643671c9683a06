// Tells the server whether somebody is at this device: active, idle after a while, hidden in the background.
import type { SessionActivity, Sessions } from '@rollcall/client';

/** Without a key, a click or a touch for this long nobody is there, in milliseconds. */
const IDLE_MS = 2 * 60_000;

/** Reports until the function that is returned is called. Only changes are sent. */
export function trackActivity(sessions: Sessions): () => void {
  let said: SessionActivity | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const say = (state: SessionActivity) => {
    if (state === said) return;
    said = state;
    // Nothing depends on it, and it is said again after a reconnect.
    sessions.setActivity(state).catch(() => {});
  };
  const look = () => {
    clearTimeout(timer);
    if (document.visibilityState === 'hidden') return say('hidden');
    say('active');
    timer = setTimeout(() => say('idle'), IDLE_MS);
  };
  const signs = ['pointerdown', 'keydown', 'scroll', 'focus'] as const;
  for (const sign of signs) addEventListener(sign, look, { passive: true });
  document.addEventListener('visibilitychange', look);
  look();
  return () => {
    clearTimeout(timer);
    for (const sign of signs) removeEventListener(sign, look);
    document.removeEventListener('visibilitychange', look);
  };
}
