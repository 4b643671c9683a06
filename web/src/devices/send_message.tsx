// A short text to another session of the same user.
import { useId, useLayoutEffect, useRef } from 'preact/hooks';

export function SendMessage({
  to,
  onSend,
  onCancel,
}: {
  to: string;
  onSend: (text: string) => unknown;
  onCancel: () => void;
}) {
  const input = useRef<HTMLInputElement>(null);
  const id = useId();
  // Before anything else happens: whoever goes on typing types into it.
  useLayoutEffect(() => input.current?.focus(), []);
  return (
    <form
      class="inline"
      onSubmit={(event) => {
        event.preventDefault();
        onSend(input.current!.value.trim());
      }}
      onKeyDown={(event) => event.key === 'Escape' && onCancel()}
    >
      <label for={id}>
        Message to <bdi>{to}</bdi>
      </label>
      <input id={id} ref={input} required maxLength={500} autocomplete="off" />
      <button class="primary" type="submit">
        Send
      </button>
      <button type="button" onClick={onCancel}>
        Cancel
      </button>
    </form>
  );
}
