import { type SubmitEvent, useSyncExternalStore } from "react";
import type { Shopping } from "../shopping";
import { ItemRow } from "./ItemRow";

export function ListPanel({ shopping }: { shopping: Shopping }) {
  const { document } = shopping;
  const { value, pending } = useSyncExternalStore(document.onChange, () => document.state);
  const items = Object.entries(value?.items ?? {}).sort(([, a], [, b]) => a.addedAtMs - b.addedAtMs);

  function submit(event: SubmitEvent<HTMLFormElement>) {
    event.preventDefault();
    const form = event.currentTarget;
    const name = String(new FormData(form).get("name")).trim();
    if (name) shopping.add(name);
    form.reset();
  }

  return (
    <section className="card" aria-labelledby="list-title">
      <h2 id="list-title" className="row">
        <span className="grow">List</span>
        <span role="status" aria-label="Saving" className="quiet">
          {pending > 0 && "Saving…"}
        </span>
      </h2>
      <form className="row" aria-label="Add an item" onSubmit={submit}>
        <input className="grow" name="name" aria-label="New item" placeholder="Milk, bread, …" required />
        <button type="submit" className="primary">
          Add
        </button>
      </form>
      {value === undefined ? (
        <p className="quiet">
          {pending > 0 ? "Your changes are kept, and shown after the first connection." : "Loading…"}
        </p>
      ) : items.length === 0 ? (
        <p className="quiet">Nothing to buy.</p>
      ) : (
        <ul aria-label="Items">
          {items.map(([id, item]) => (
            <ItemRow
              key={id}
              item={item}
              onTick={(done) => shopping.tick(id, item, done)}
              onRename={(name) => shopping.rename(id, item, name)}
              onRemove={() => shopping.remove(id, item)}
            />
          ))}
        </ul>
      )}
    </section>
  );
}
