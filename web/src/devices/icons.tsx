// Drawn here: one line drawing for the kind of device, one for its browser, one for its system. Beside them stands what
// they mean as text, so they are hidden from screen readers.
import type { SessionItem } from '@rollcall/client';

export function Icon({ of: device }: { of: SessionItem['device'] }) {
  return (
    <span class="icons" aria-hidden="true">
      <Drawing class="icon kind" path={KINDS[device?.type ?? 'other'] ?? KINDS.other!} />
      <Drawing class="icon browser" path={find(BROWSERS, device?.browser) ?? GLOBE} name={device?.browser} />
      <Drawing class="icon os" path={find(SYSTEMS, device?.os) ?? CHIP} name={device?.os} />
    </span>
  );
}

function Drawing({ path, name, ...rest }: { class: string; path: string; name?: string | undefined }) {
  return (
    <svg {...rest} viewBox="0 0 24 24" data-of={name}>
      <path d={path} />
    </svg>
  );
}

/** The first drawing whose word stands at the beginning of `name`. */
function find(drawings: Record<string, string>, name: string | undefined): string | undefined {
  return Object.entries(drawings).find(([word]) => name?.toLowerCase().startsWith(word))?.[1];
}

const KINDS: Record<string, string> = {
  desktop: 'M4 5h16v10H4zM2 19h20M9 15l-1 4M15 15l1 4',
  phone: 'M7 2.5h10v19H7zM11 18.5h2',
  tablet: 'M5 2.5h14v19H5zM11 18.5h2',
  bot: 'M5 9h14v10H5zM12 9V5M12 4.5v.01M9 13v1.5M15 13v1.5M2 13v3M22 13v3',
  other: 'M4 5h16v14H4zM8 9l3 3-3 3M13 15h3',
};

const GLOBE =
  'M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM3 12h18M12 3c3 3 3.5 6 3.5 9s-.5 6-3.5 9c-3-3-3.5-6-3.5-9S9 6 12 3z';
const CHIP = 'M7 7h10v10H7zM10 3v4M14 3v4M10 17v4M14 17v4M3 10h4M3 14h4M17 10h4M17 14h4';

const BROWSERS: Record<string, string> = {
  chrome:
    'M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM12 8.5a3.5 3.5 0 1 0 0 7 3.5 3.5 0 0 0 0-7zM12 8.5h8.2M9 13.8 4.6 6.9M15 13.8 11.2 21',
  edge: 'M3.5 14c0-6 4-10.5 9-10.5 4.5 0 8 3 8 7 0 2.5-2 4-4.5 4-2 0-2-1-2-2 0-2-1.5-3.5-4-3.5-3.5 0-5.5 3-4.5 6.5C6.5 19 10 21 13.5 20.8c2.5-.1 4.5-1.3 5.5-2.8',
  firefox:
    'M12 3c3 2 3 4 3 4s2-.5 2-2c2.5 2 4 4.5 4 7.5a9 9 0 0 1-18 0C3 10 4 8 5 7c0 1 .5 2 1 2.5C7 6 10 5.5 12 3zM9 13a3.5 3.5 0 1 0 3-4',
  safari: 'M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM15.5 8.5l-2 5-5 2 2-5z',
  opera:
    'M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM12 6.5c-2 0-3.5 2.5-3.5 5.5s1.5 5.5 3.5 5.5 3.5-2.5 3.5-5.5-1.5-5.5-3.5-5.5z',
};

const SYSTEMS: Record<string, string> = {
  windows: 'M3.5 5.5 11 4.5v7H3.5zM12.5 4.3 20.5 3v8.5h-8zM3.5 13H11v7l-7.5-1zM12.5 13h8v8.5l-8-1.2z',
  macos: 'M4 4h16v16H4zM12 4c-1.5 3-2 6-2 8h2.5c-.2 3 0 5.5 1 8M7.5 8.5v2M16.5 8.5v2M7 15c3 2.5 7 2.5 10 0',
  ios: 'M8 2.5h8a2 2 0 0 1 2 2v15a2 2 0 0 1-2 2H8a2 2 0 0 1-2-2v-15a2 2 0 0 1 2-2zM10 2.5h4v1.7h-4zM10 19h4',
  android: 'M5 17a7 7 0 0 1 14 0zM8 10.8 6.3 8M16 10.8 17.7 8M9.5 14v.01M14.5 14v.01',
  linux:
    'M12 2.5c-2 0-3 1.5-3 3.5 0 3-3 6-3 10 0 3 2.5 5.5 6 5.5s6-2.5 6-5.5c0-4-3-7-3-10 0-2-1-3.5-3-3.5zM10.7 6v.01M13.3 6v.01M10.5 8.5h3L12 10zM9 15c0 3 6 3 6 0',
  chromeos: 'M3 5h18v11H3zM1.5 19h21M12 8a2.5 2.5 0 1 0 0 5 2.5 2.5 0 0 0 0-5z',
};
