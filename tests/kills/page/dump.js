// Returns the contents of all databases of the origin, as JSON.

export async function dump() {
  const all = {};
  for (const { name } of await indexedDB.databases()) {
    const db = await resultOf(indexedDB.open(name));
    for (const store of db.objectStoreNames) {
      all[`${name}/${store}`] = await resultOf(db.transaction(store).objectStore(store).getAll());
    }
    db.close();
  }
  return JSON.stringify(all);
}

function resultOf(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
