// One session of a device: a tab, an app, a script.
import type { SessionItem } from '@rollcall/client';
import { ago, clock } from './words.js';

interface Props {
  item: SessionItem;
  now: number;
  /** Whether it is this page itself. */
  self: boolean;
  /** Ends this one session; left out where that cannot be. */
  onClose?: (() => void) | undefined;
}

export function SessionRow({ item, now, self, onClose }: Props) {
  const { metadata, connectedAt } = item;
  return (
    <li class="row" data-socket={item.socketId}>
      <Activity item={item} now={now} />
      <span class="facts">
        {self && <span class="self">This tab</span>}
        {metadata.context && (
          <span class="context">
            <bdi>{metadata.context}</bdi>
          </span>
        )}
        {metadata.ip && <span class="ip">{metadata.ip}</span>}
        <span>
          since{' '}
          <time dateTime={connectedAt} title={new Date(connectedAt).toLocaleString()}>
            {clock(connectedAt, now)}
          </time>
        </span>
      </span>
      {onClose && (
        <button class="small" type="button" onClick={onClose}>
          Disconnect
        </button>
      )}
    </li>
  );
}

function Activity({ item: { state, lastActiveAt }, now }: { item: SessionItem; now: number }) {
  const words =
    state === 'active' || !state || !lastActiveAt
      ? WORDS[state ?? 'none']
      : `${WORDS[state]}, last active ${ago(lastActiveAt, now)}`;
  return <span class={`activity ${state ?? 'none'}`}>{words}</span>;
}

const WORDS = { active: 'Active', idle: 'Idle', hidden: 'In the background', none: 'Connected' };
