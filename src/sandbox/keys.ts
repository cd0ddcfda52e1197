import { hashText, mix } from "./random.ts";

/** A record key for every index, and the way back: a lookup by key needs no table. */
interface KeySpace<Key extends string | number> {
  /** The key of index `n`, an integer from 0 to 2^40 - 1 (2^32 - 1 for `ordered`). */
  of(n: number): Key;
  /** The index a key stands for, or null when the key was never made in this space. */
  indexOf(key: string): number | null;
}

/** Makes key spaces. The same seed and space name always give the same keys. */
export interface Keys {
  /** Twelve- or thirteen-digit numbers in no recognisable order. */
  numeric(space: string): KeySpace<number>;
  /** Growing numbers with irregular gaps, as a database sequence deals them: 10 to 14 digits. */
  ordered(space: string): KeySpace<number>;
  /** RFC 9562 version 4 shaped UUIDs, lower case. */
  uuid(space: string): KeySpace<string>;
  /** A prefix and `length` base-62 characters (default 14, at least 8), e.g. `cus_NffrFeUfNV2Hib`. */
  opaque(space: string, prefix: string, length?: number): KeySpace<string>;
}

const HALF_BITS = 20;
const HALF = 2 ** HALF_BITS;
const DOMAIN = HALF * HALF;
const ROUNDS = 4;
const NUMERIC_BASE = 400_000_000_000;
const ORDERED_BASE = 9_000_000_000;
const ORDERED_GAP = 64;
const BASE62 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const CODE_LENGTH = 7;

const round = (key: number, index: number, half: number) => mix(mix(key, index), half) % HALF;

/** A keyed permutation of 0 … 2^40 - 1. @see https://en.wikipedia.org/wiki/Feistel_cipher */
export function permute(key: number, n: number): number {
  let left = Math.floor(n / HALF);
  let right = n % HALF;
  for (let index = 0; index < ROUNDS; index++) [left, right] = [right, left ^ round(key, index, right)];
  return left * HALF + right;
}

/** The inverse of {@link permute} under the same key. */
export function unpermute(key: number, value: number): number {
  let left = Math.floor(value / HALF);
  let right = value % HALF;
  for (let index = ROUNDS - 1; index >= 0; index--) [left, right] = [right ^ round(key, index, left), left];
  return left * HALF + right;
}

const inDomain = (value: number) => Number.isSafeInteger(value) && value >= 0 && value < DOMAIN;

function numericSpace(key: number): KeySpace<number> {
  return {
    of: n => NUMERIC_BASE + permute(key, n),
    indexOf: text => {
      const value = /^\d{12,13}$/.test(text) ? Number(text) - NUMERIC_BASE : -1;
      return inDomain(value) ? unpermute(key, value) : null;
    },
  };
}

function orderedSpace(key: number): KeySpace<number> {
  const of = (n: number) => ORDERED_BASE + n * ORDERED_GAP + (mix(key, n) % ORDERED_GAP);
  return {
    of,
    indexOf: text => {
      if (!/^\d{10,14}$/.test(text)) return null;
      const n = Math.floor((Number(text) - ORDERED_BASE) / ORDERED_GAP);
      return n >= 0 && of(n) === Number(text) ? n : null;
    },
  };
}

const hex = (value: number, digits: number) => value.toString(16).padStart(digits, "0");

function uuidSpace(key: number): KeySpace<string> {
  const of = (n: number) => {
    const head = hex(permute(key, n), 10);
    const tail = mix(key ^ 0x7ea1, n);
    const end = mix(tail, n);
    const variant = hex(0x8 | (end >>> 30), 1) + hex(end & 0xfff, 3);
    return `${head.slice(0, 8)}-${head.slice(8)}${hex(tail & 0xff, 2)}-4${hex((tail >>> 8) & 0xfff, 3)}-${variant}-${hex(mix(end, 1), 8)}${hex(tail >>> 16, 4)}`;
  };
  return {
    of,
    indexOf: text => {
      if (!/^[0-9a-f]{8}-[0-9a-f]{2}/.test(text)) return null;
      const n = unpermute(key, Number.parseInt(text.slice(0, 8) + text.slice(9, 11), 16));
      return of(n) === text ? n : null;
    },
  };
}

function base62(value: number, length: number): string {
  let text = "";
  for (let rest = value, at = 0; at < length; at++, rest = Math.floor(rest / 62)) text += BASE62.charAt(rest % 62);
  return text;
}

function base62Value(text: string): number {
  let value = 0;
  for (let at = text.length - 1; at >= 0; at--) value = value * 62 + BASE62.indexOf(text.charAt(at));
  return value;
}

/** Characters that carry no information but make a guessed key fail. */
function seal(key: number, n: number, length: number): string {
  let text = "";
  for (let part = 0; text.length < length; part++) text += base62(mix(mix(key, n), part), 5);
  return text.slice(0, length);
}

function opaqueSpace(key: number, prefix: string, length: number): KeySpace<string> {
  const of = (n: number) => prefix + base62(permute(key, n), CODE_LENGTH) + seal(key, n, length - CODE_LENGTH);
  return {
    of,
    indexOf: text => {
      if (!text.startsWith(prefix) || text.length !== prefix.length + length) return null;
      const value = base62Value(text.slice(prefix.length, prefix.length + CODE_LENGTH));
      if (!inDomain(value)) return null;
      const n = unpermute(key, value);
      return of(n) === text ? n : null;
    },
  };
}

/** Makes the key spaces of one seed. No key of any space is ever shorter than eight characters. */
export function createKeys(seed: number): Keys {
  const keyOf = (space: string) => mix(seed, hashText(space));
  return {
    numeric: space => numericSpace(keyOf(space)),
    ordered: space => orderedSpace(keyOf(space)),
    uuid: space => uuidSpace(keyOf(space)),
    opaque: (space, prefix, length = 14) => opaqueSpace(keyOf(space), prefix, Math.max(length, CODE_LENGTH + 1)),
  };
}
