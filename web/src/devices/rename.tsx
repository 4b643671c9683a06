// Gives this device a name; an empty one takes it away.
import { useId, useLayoutEffect, useRef } from 'preact/hooks';

export function Rename({
  label,
  onSave,
  onCancel,
}: {
  label: string;
  onSave: (label: string) => unknown;
  onCancel: () => void;
}) {
  const input = useRef<HTMLInputElement>(null);
  const id = useId();
  // Before anything else happens: whoever goes on typing types into it.
  useLayoutEffect(() => input.current?.select(), []);
  return (
    <form
      class="inline"
      onSubmit={(event) => {
        event.preventDefault();
        onSave(input.current!.value.trim());
      }}
      onKeyDown={(event) => event.key === 'Escape' && onCancel()}
    >
      <label for={id}>Name of this device</label>
      <input id={id} ref={input} defaultValue={label} maxLength={256} autocomplete="off" placeholder="Ada's laptop" />
      <button class="primary" type="submit">
        Save
      </button>
      <button type="button" onClick={onCancel}>
        Cancel
      </button>
    </form>
  );
}
