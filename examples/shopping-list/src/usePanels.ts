import { useEffect, useState } from "react";

export type PanelName = "list" | "activity";

const storageKey = "shopping-list:closed-panels";

/** The open panels, remembered for the next visit. */
export function usePanels() {
  const [closed, setClosed] = useState<readonly PanelName[]>(() =>
    JSON.parse(localStorage.getItem(storageKey) ?? "[]"),
  );

  useEffect(() => localStorage.setItem(storageKey, JSON.stringify(closed)), [closed]);

  return {
    isOpen: (name: PanelName) => !closed.includes(name),
    toggle: (name: PanelName) =>
      setClosed((names) => (names.includes(name) ? names.filter((each) => each !== name) : [...names, name])),
  };
}
