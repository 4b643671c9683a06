// Gives this device a name; an empty one takes it away.
import { OneLineForm } from './one_line_form.js';

export function Rename({
  label,
  onSave,
  onCancel,
}: {
  label: string;
  onSave: (label: string) => unknown;
  onCancel: () => void;
}) {
  return (
    <OneLineForm
      label="Name of this device"
      does="Save"
      input={{ defaultValue: label, maxLength: 256, placeholder: "Ada's laptop" }}
      selected
      onText={onSave}
      onCancel={onCancel}
    />
  );
}
