// What other sessions have sent, as they sent it: text, and nothing else.
import { clock } from './words.js';

/** One message; `from` is a name for people. */
export interface Received {
  from: string;
  text: string;
  /** ISO 8601. */
  sentAt: string;
}

export function Messages({ received, now, onClear }: { received: Received[]; now: number; onClear: () => void }) {
  return (
    <section class={received.length ? 'messages' : 'messages empty'} aria-label="Messages">
      <div role="log" aria-label="Messages from your devices">
        {received.map(({ from, text, sentAt }) => (
          <div class="message" key={sentAt + text}>
            <p class="from">
              <bdi>{from}</bdi> · <time dateTime={sentAt}>{clock(sentAt, now)}</time>
            </p>
            <p class="text">
              <bdi>{text}</bdi>
            </p>
          </div>
        ))}
      </div>
      {received.length > 0 && (
        <button class="small" type="button" onClick={onClear}>
          Clear messages
        </button>
      )}
    </section>
  );
}
