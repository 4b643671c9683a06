// A label, one line of text and two buttons. The line has the focus at once, and Escape gives up.
import type { ComponentChildren, InputHTMLAttributes } from 'preact';
import { useId, useLayoutEffect, useRef } from 'preact/hooks';

export function OneLineForm({
  label,
  does,
  input,
  selected = false,
  onText,
  onCancel,
}: {
  label: ComponentChildren;
  /** What the button says. */
  does: string;
  input: InputHTMLAttributes<HTMLInputElement>;
  /** What stands there already is replaced by whatever is typed. */
  selected?: boolean;
  /** The text without blanks around it. */
  onText: (text: string) => unknown;
  onCancel: () => void;
}) {
  const line = useRef<HTMLInputElement>(null);
  const id = useId();
  // Before anything else happens: whoever goes on typing types into it.
  useLayoutEffect(() => (selected ? line.current?.select() : line.current?.focus()), []);
  return (
    <form
      class="inline"
      onSubmit={(event) => {
        event.preventDefault();
        onText(line.current!.value.trim());
      }}
      onKeyDown={(event) => event.key === 'Escape' && onCancel()}
    >
      <label for={id}>{label}</label>
      <input {...input} id={id} ref={line} autocomplete="off" />
      <button class="primary" type="submit">
        {does}
      </button>
      <button type="button" onClick={onCancel}>
        Cancel
      </button>
    </form>
  );
}
