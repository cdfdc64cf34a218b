// What this browser remembers for its reader, or this tab for itself. A browser that refuses to remember is no error.

export function readSetting(key: string): string | undefined {
  return read(() => localStorage, key);
}

export function writeSetting(key: string, value: string): void {
  write(() => localStorage, key, value);
}

/** Survives a reload, and ends with the tab. */
export function readTabSetting(key: string): string | undefined {
  return read(() => sessionStorage, key);
}

export function writeTabSetting(key: string, value: string): void {
  write(() => sessionStorage, key, value);
}

/** Where storage is forbidden, asking for it throws. */
function read(storage: () => Storage, key: string): string | undefined {
  try {
    return storage().getItem(`longhaul-demo-${key}`) ?? undefined;
  } catch {
    return undefined;
  }
}

function write(storage: () => Storage, key: string, value: string): void {
  try {
    storage().setItem(`longhaul-demo-${key}`, value);
  } catch {
    // Private windows and full disks: the choice lasts as long as the page.
  }
}
