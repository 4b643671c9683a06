// Names and times as people read them. All of it is text that the page shows as text.
import type { SessionItem } from '@rollcall/client';

/** The device's name if it has one, else what its browser says, else its address. */
export function nameOf(item: SessionItem): string {
  return item.label || kindOf(item);
}

/** Such as `Chrome on Linux`. */
export function kindOf({ device, metadata }: SessionItem): string {
  const { browser, os } = device ?? {};
  if (browser && os) return `${browser} on ${os}`;
  return browser ?? os ?? (metadata.userAgent.slice(0, USER_AGENT_MAX) || 'Unknown device');
}

/** Such as `5 minutes ago`; `now` in milliseconds. */
export function ago(iso: string, now: number): string {
  const seconds = Math.round((Date.parse(iso) - now) / 1000);
  const [unit, size] = UNITS.find(([, size]) => Math.abs(seconds) >= size) ?? (['second', 1] as const);
  if (unit === 'second') return 'just now';
  return RELATIVE.format(Math.round(seconds / size), unit);
}

/** Such as `14:05`, or with the date when that is another day. */
export function clock(iso: string | number, now: number): string {
  const date = new Date(iso);
  const today = date.toDateString() === new Date(now).toDateString();
  return (today ? TIME : DATE_TIME).format(date);
}

const USER_AGENT_MAX = 60;
const UNITS = [
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
] as const;
const RELATIVE = new Intl.RelativeTimeFormat('en', { numeric: 'auto' });
const TIME = new Intl.DateTimeFormat('en', { hour: '2-digit', minute: '2-digit', hour12: false });
const DATE_TIME = new Intl.DateTimeFormat('en', { dateStyle: 'medium', timeStyle: 'short', hour12: false });
