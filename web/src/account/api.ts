// The routes of the built-in accounts, as functions. Keeps nothing.

/** The answer of RFC 6749, section 5.1; times in seconds. */
export interface TokenPair {
  access_token: string;
  expires_in: number;
  refresh_token: string;
}

/** Why the server said no: its `code` and `detail` (RFC 9457). */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    detail: string,
    readonly retryAfterSeconds: number | undefined,
  ) {
    super(detail);
  }
}

/** How long an answer may take, in milliseconds. */
const ANSWER_MS = 20_000;

export const register = (email: string, password: string) => post<TokenPair>('/auth/register', { email, password });
export const login = (email: string, password: string) => post<TokenPair>('/auth/login', { email, password });
export const refresh = (refresh_token: string) => post<TokenPair>('/auth/refresh', { refresh_token });
export const logout = (refresh_token: string) => post<void>('/auth/logout', { refresh_token });

async function post<T>(path: string, body: Record<string, string>): Promise<T> {
  const response = await fetch(path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
    credentials: 'omit',
    signal: AbortSignal.timeout(ANSWER_MS),
  });
  if (response.status === 204) return undefined as T;
  const answer = await response.json().catch(() => ({}));
  if (response.ok) return answer as T;
  const after = Number(response.headers.get('retry-after')) || undefined;
  throw new Problem(
    response.status,
    answer.code ?? 'unknown',
    answer.detail ?? `The server said ${response.status}.`,
    after,
  );
}
