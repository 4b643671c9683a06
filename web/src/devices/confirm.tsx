// Asks once more. The browser's own dialog: it keeps the focus, and Escape leaves it.
import type { ComponentChildren } from 'preact';
import { useEffect, useId, useRef } from 'preact/hooks';

interface Props {
  title: string;
  action: string;
  children: ComponentChildren;
  onConfirm: () => void;
  onCancel: () => void;
}

export function Confirm({ title, action, children, onConfirm, onCancel }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog ref={dialog} aria-labelledby={`${id}-title`} aria-describedby={`${id}-text`} onCancel={onCancel}>
      <h2 id={`${id}-title`}>{title}</h2>
      <p id={`${id}-text`}>{children}</p>
      <p class="actions">
        <button type="button" onClick={onCancel}>
          Cancel
        </button>
        <button class="danger" type="button" onClick={onConfirm}>
          {action}
        </button>
      </p>
    </dialog>
  );
}
