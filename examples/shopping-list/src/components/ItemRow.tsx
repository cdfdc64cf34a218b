import { type SubmitEvent, useState } from "react";
import type { Item } from "../shopping";

interface Props {
  item: Item;
  onTick(done: boolean): void;
  onRename(name: string): void;
  onRemove(): void;
}

export function ItemRow({ item, onTick, onRename, onRemove }: Props) {
  const [isRenaming, setRenaming] = useState(false);

  function submit(event: SubmitEvent<HTMLFormElement>) {
    event.preventDefault();
    const name = String(new FormData(event.currentTarget).get("name")).trim();
    if (name && name !== item.name) onRename(name);
    setRenaming(false);
  }

  if (isRenaming) {
    return (
      <li>
        <form className="row" onSubmit={submit}>
          <input
            className="grow"
            name="name"
            aria-label={`New name of ${item.name}`}
            defaultValue={item.name}
          />
          <button type="submit" className="primary">
            Save
          </button>
          <button type="button" onClick={() => setRenaming(false)}>
            Cancel
          </button>
        </form>
      </li>
    );
  }

  return (
    <li className="row">
      <label className={item.done ? "grow tick done" : "grow tick"}>
        <input type="checkbox" checked={item.done} onChange={(event) => onTick(event.target.checked)} />
        {item.name}
      </label>
      <button type="button" aria-label={`Rename ${item.name}`} onClick={() => setRenaming(true)}>
        ✎
      </button>
      <button type="button" aria-label={`Remove ${item.name}`} onClick={onRemove}>
        ✕
      </button>
    </li>
  );
}
