/**
 * Returns the value of a key that is known to be in a map.
 *
 * @param map The map.
 * @param key The key.
 *
 * @throws {RangeError} If the key is not in the map, which is a bug in deltar
 *   and not a fault in its input.
 */
export function existing<Key, Value>(
  map: ReadonlyMap<Key, Value>,
  key: Key,
): Value {
  const value = map.get(key);
  if (value !== undefined || map.has(key)) return value as Value;
  throw new RangeError(`no value for the key: ${key}`);
}
