import { createCipheriv, createDecipheriv, createHash, randomBytes } from "node:crypto";
import { ConfigError, StoreError } from "../../core/errors.ts";

const CIPHER = "aes-256-gcm";
const IV_BYTES = 12;
const TAG_BYTES = 16;

/** A key under which segments are encrypted at rest: AES-256-GCM, frame by frame. */
export class RawKey {
  readonly #key: Buffer;
  /** Tells keys apart; says nothing of the key. */
  readonly id: string;

  /** @param text 32 bytes as 64 hexadecimal digits or as base64; throws `CONFIG_INVALID` for anything else */
  constructor(text: string) {
    const trimmed = text.trim();
    this.#key = Buffer.from(trimmed, /^[0-9a-f]{64}$/i.test(trimmed) ? "hex" : "base64");
    if (this.#key.length !== 32)
      throw new ConfigError(
        "CONFIG_INVALID",
        "TRIBUTARY_RAW_KEY is not 32 bytes in hexadecimal or base64; `openssl rand -hex 32` makes one",
      );
    this.id = createHash("sha256").update("tributary raw key").update(this.#key).digest("hex").slice(0, 16);
  }

  /** Nonce, ciphertext and tag. The frame's place in its file is part of what is authenticated. */
  seal(plain: Buffer, frame: number): Buffer {
    const iv = randomBytes(IV_BYTES);
    const cipher = createCipheriv(CIPHER, this.#key, iv, { authTagLength: TAG_BYTES }).setAAD(placeOf(frame));
    return Buffer.concat([iv, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
  }

  /** What was sealed for this place; throws `STORE_UNAVAILABLE` for anything else. */
  unseal(sealed: Buffer, frame: number): Buffer {
    try {
      const decipher = createDecipheriv(CIPHER, this.#key, sealed.subarray(0, IV_BYTES), { authTagLength: TAG_BYTES });
      decipher.setAAD(placeOf(frame)).setAuthTag(sealed.subarray(-TAG_BYTES));
      return Buffer.concat([decipher.update(sealed.subarray(IV_BYTES, -TAG_BYTES)), decipher.final()]);
    } catch (cause) {
      throw new StoreError("STORE_UNAVAILABLE", "a raw segment is not what was encrypted under this key", { cause });
    }
  }
}

function placeOf(frame: number): Buffer {
  const place = Buffer.alloc(4);
  place.writeUInt32BE(frame);
  return place;
}

/**
 * The key that segments need; undefined for plain ones. Throws `STORE_UNAVAILABLE` when it is missing or another one.
 * @param place what is to be read, for people
 */
export function keyFor(keyId: string | null, key: RawKey | undefined, place: string): RawKey | undefined {
  if (keyId === null) return undefined;
  if (key?.id === keyId) return key;
  const problem =
    key === undefined ? "no key is given: set TRIBUTARY_RAW_KEY" : `TRIBUTARY_RAW_KEY holds another key (id ${key.id})`;
  throw new StoreError("STORE_UNAVAILABLE", `${place} is encrypted under the key with id ${keyId}, but ${problem}`, {
    retryable: false,
  });
}
