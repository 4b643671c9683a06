// When a page is looked at again, or its network is back: the moment at which a sleeping phone should try at once.
// Does nothing outside a browser.

/** Calls `listener` at such moments until the function that is returned is called. */
export function onWake(listener: () => void): () => void {
  if (typeof document === 'undefined' || typeof addEventListener === 'undefined') return () => {};
  const visible = () => document.visibilityState === 'visible' && listener();
  document.addEventListener('visibilitychange', visible);
  addEventListener('online', listener);
  return () => {
    document.removeEventListener('visibilitychange', visible);
    removeEventListener('online', listener);
  };
}
