// Settings that the browser or the tab stores. A browser without storage is no error.

export function readSetting(key: string): string | undefined {
  return read(() => localStorage, key);
}

export function writeSetting(key: string, value: string): void {
  write(() => localStorage, key, value);
}

/** A setting that survives a reload and ends with the tab. */
export function readTabSetting(key: string): string | undefined {
  return read(() => sessionStorage, key);
}

export function writeTabSetting(key: string, value: string): void {
  write(() => sessionStorage, key, value);
}

/** If storage is forbidden, access throws. */
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
    // In private windows and on full disks the setting lasts as long as the page.
  }
}
