// A short text to another session of the same user.
import { OneLineForm } from './one_line_form.js';

export function SendMessage({
  to,
  onSend,
  onCancel,
}: {
  to: string;
  onSend: (text: string) => unknown;
  onCancel: () => void;
}) {
  const label = (
    <>
      Message to <bdi>{to}</bdi>
    </>
  );
  return <OneLineForm label={label} does="Send" input={{ required: true, maxLength: 500 }} onText={onSend} onCancel={onCancel} />;
}
