import { dismiss, notices } from "../notices";
import { useStore } from "../store";

export function Notices() {
  const all = useStore(notices);
  return (
    <ul role="alert" aria-label="Notices">
      {all.map(({ id, text }) => (
        <li key={id} className="card problem row">
          <span className="grow">{text}</span>
          <button type="button" onClick={() => dismiss(id)}>
            Dismiss
          </button>
        </li>
      ))}
    </ul>
  );
}
