// A name that a browser keeps for itself, so that its tabs and its next visits are one device.

/**
 * A random id that is kept in `storage`, for {@link SessionsOptions.deviceId}. Where nothing can be kept it is a new one
 * each time. It is a label, never a secret.
 */
export function keptDeviceId(
  storage?: Pick<Storage, 'getItem' | 'setItem'>,
  key = 'rollcall.device',
): string {
  try {
    storage ??= localStorage; // where a browser allows none, the name alone throws
    const kept = storage.getItem(key);
    if (kept) return kept;
  } catch {
    return fresh();
  }
  const made = fresh();
  try {
    storage.setItem(key, made);
  } catch {
    // Full, or not allowed: the next visit is another device.
  }
  return made;
}

/** 128 random bits. `crypto.randomUUID` is not there on plain HTTP. */
function fresh(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
