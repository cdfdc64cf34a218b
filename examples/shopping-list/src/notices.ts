import { LonghaulError } from "longhaul";
import { createStore } from "./store";

/** A message for the user, shown until they dismiss it. */
export interface Notice {
  id: number;
  text: string;
}

export const notices = createStore<readonly Notice[]>([]);
let lastId = 0;

export function notify(text: string): void {
  notices.set([...notices.get(), { id: ++lastId, text }]);
}

export function dismiss(id: number): void {
  notices.set(notices.get().filter((notice) => notice.id !== id));
}

export function notifyError(error: unknown): void {
  if (error instanceof LonghaulError) notify([error.message, error.hint].filter(Boolean).join(" "));
  else notify(String(error));
}
