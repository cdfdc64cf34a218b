// The light and the dark theme: the system's until the user selects one. All colours are in the
// stylesheets.

import { readSetting, writeSetting } from "./settings";

export interface Theme {
  /** The resolved value of a custom property, for the canvas. */
  color(name: string): string;
  isDark(): boolean;
  onChange(listener: () => void): void;
}

export function createTheme(toggle: HTMLButtonElement): Theme {
  const root = document.documentElement;
  const systemDark = matchMedia("(prefers-color-scheme: dark)");
  const probe = document.createElement("span");
  probe.hidden = true;
  document.body.append(probe);
  const colors = new Map<string, string>();
  const listeners: (() => void)[] = [];

  const isDark = (): boolean => (root.dataset["theme"] ?? (systemDark.matches ? "dark" : "light")) === "dark";
  const changed = (): void => {
    colors.clear();
    toggle.setAttribute("aria-label", isDark() ? "Switch to the light theme" : "Switch to the dark theme");
    for (const listener of listeners) listener();
  };

  const stored = readSetting("theme");
  if (stored === "light" || stored === "dark") root.dataset["theme"] = stored;
  toggle.addEventListener("click", () => {
    const chosen = isDark() ? "light" : "dark";
    root.dataset["theme"] = chosen;
    writeSetting("theme", chosen);
    changed();
  });
  systemDark.addEventListener("change", changed);
  changed();

  return {
    color(name) {
      const known = colors.get(name);
      if (known !== undefined) return known;
      probe.style.color = `var(${name})`;
      const resolved = getComputedStyle(probe).color;
      colors.set(name, resolved);
      return resolved;
    },
    isDark,
    onChange: (listener) => listeners.push(listener),
  };
}
