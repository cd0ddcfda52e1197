import type { Records } from "./sandbox-records.ts";
import type { User } from "./sandbox-users.ts";

/** Finds users by what a search query says. */
export interface UserSearch {
  /** At most 1,000 users, ascending by id. Terms: `email:`, `external_id:` (both exact but for case), else any part of a name or e-mail. */
  find(query: string): readonly User[];
}

const MOST_FOUND = 1000;
const HASH_SEED = 5381;

const unquoted = (text: string) =>
  text
    .trim()
    .replace(/^"(.*)"$/, "$1")
    .toLowerCase();

/** The djb2 hash: enough to leave few addresses to compare. */
function hashOf(text: string): number {
  let hash = HASH_SEED;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash, 33) ^ text.charCodeAt(at);
  return hash >>> 0;
}

/** Makes the search over users. An index of address hashes, 4 bytes a user, is built on the first search by e-mail. */
export function createUserSearch(users: Records<User>): UserSearch {
  let hashes: Uint32Array | undefined;
  const everyone = () => Array.from({ length: users.length }, (_empty, index) => index);
  const withEmail = (email: string) => {
    hashes ??= Uint32Array.from({ length: users.length }, (_empty, index) => hashOf(users.at(index).email?.toLowerCase() ?? ""));
    const wanted = hashOf(email);
    const seeded = everyone().filter(index => hashes?.[index] === wanted);
    return [...new Set([...seeded, ...users.changedIndices()])].sort((a, b) => a - b);
  };
  const select = (indices: readonly number[], matches: (user: User) => boolean) => {
    const found: User[] = [];
    for (const index of indices) {
      const user = users.at(index);
      if (matches(user)) found.push(user);
      if (found.length === MOST_FOUND) break;
    }
    return found;
  };
  const find = (query: string) => {
    const [, field, value = query] = /^(?:type:user\s+)?(email|external_id):(.*)$/i.exec(query.trim()) ?? [];
    const wanted = unquoted(value);
    if (field?.toLowerCase() === "email") return select(withEmail(wanted), user => user.email?.toLowerCase() === wanted);
    if (field !== undefined) return select(everyone(), user => user.external_id?.toLowerCase() === wanted);
    return select(everyone(), user => `${user.name} ${user.email ?? ""}`.toLowerCase().includes(wanted));
  };
  return { find };
}
