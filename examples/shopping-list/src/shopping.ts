import type { Client, Document, Topic } from "longhaul";
import { notifyError } from "./notices";

export interface Item {
  name: string;
  done: boolean;
  addedAtMs: number;
}

/** Null until the first change. */
export type Items = { items: Record<string, Item> } | null;

export interface Activity {
  who: string;
  what: string;
}

/** The shared list, as one person sees and changes it. */
export class Shopping {
  readonly document: Document<Items>;
  readonly activity: Topic<Activity>;

  constructor(
    client: Client,
    private readonly who: string,
  ) {
    this.document = client.document<Items>("lists/home");
    this.activity = client.topic<Activity>("lists/home/activity");
  }

  add(name: string): void {
    const item: Item = { name, done: false, addedAtMs: Date.now() };
    this.save(`added ${name}`, this.document.merge({ items: { [crypto.randomUUID()]: item } }));
  }

  tick(id: string, item: Item, done: boolean): void {
    this.save(`${done ? "ticked" : "unticked"} ${item.name}`, this.replace(id, "done", done));
  }

  rename(id: string, item: Item, name: string): void {
    this.save(`renamed ${item.name} to ${name}`, this.replace(id, "name", name));
  }

  remove(id: string, item: Item): void {
    this.save(`removed ${item.name}`, this.document.merge({ items: { [id]: null } }));
  }

  /** Fails if another person has removed the item meanwhile, so that no part of it comes back. */
  private replace(id: string, field: keyof Item, value: unknown) {
    return this.document.patch([{ op: "replace", path: `/items/${id}/${field}`, value }]);
  }

  private save(what: string, change: Promise<unknown>): void {
    Promise.all([change, this.activity.publish({ who: this.who, what })]).catch(notifyError);
  }
}
