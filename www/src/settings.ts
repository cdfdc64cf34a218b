// What this browser remembers for its reader. A browser that refuses to remember is no error.

export function readSetting(key: string): string | undefined {
  try {
    return localStorage.getItem(`longhaul-demo-${key}`) ?? undefined;
  } catch {
    return undefined;
  }
}

export function writeSetting(key: string, value: string): void {
  try {
    localStorage.setItem(`longhaul-demo-${key}`, value);
  } catch {
    // Private windows and full disks: the choice lasts as long as the page.
  }
}
